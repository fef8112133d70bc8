"""Families that can be told apart are named, those that cannot are unknown, and the report says which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.evaluation import attribution as command
from src.evaluation.attribution import judge
from src.evaluation.attribution_fit import OUTSIDE, Pictures, deal, fit_attributor
from src.evaluation.attribution_page import AttributionReport
from src.evaluation.card import network_hash, read_card
from src.evaluation.embeddings import EmbeddingTable
from src.inference.attribution import Attributor, attribution_path, identity_of
from src.utils.errors import DataError
from tests.support.tiny_model import write_tiny_model

FAMILIES = ("flux", "google", "openai")
SIZE = 48


def pictures(signal: float, *, shops: int = 8, each: int = 8, strange: int = 0, seed: int = 0) -> Pictures:
    """Families that lie `signal` apart where shops differ too; `strange` pictures of `other`, far off."""
    rng = np.random.default_rng(seed)
    rows, names, sources = [], [], []
    for number, family in enumerate(FAMILIES):
        for shop in range(shops):
            place = rng.normal(0, 0.7, SIZE)
            place[number] += signal
            rows.append(place + rng.normal(0, 1, (each, SIZE)))
            names += [family] * each
            sources += [f"{family}-{shop}"] * each
    if strange:
        place = np.zeros(SIZE)
        place[5:20] = 2 * signal
        rows.append(place + rng.normal(0, 1, (strange, SIZE)))
        names += ["other"] * strange
        sources += [f"strange-{index % 3}" for index in range(strange)]
    return Pictures(np.concatenate(rows).astype(np.float32), np.array(names), np.array(sources))


def test_shops_are_never_divided_and_each_fold_knows_each_family() -> None:
    found = pictures(3.0)
    fold = deal(found)
    assert all(len(np.unique(fold[found.source == shop])) == 1 for shop in np.unique(found.source))
    for held in range(5):
        assert set(found.family[fold != held]) == set(FAMILIES)


def test_families_that_differ_are_named_and_strangers_are_unknown() -> None:
    found = pictures(8.0, strange=20)
    nearest, named = judge(found, FAMILIES, 0.7)
    truth = found.truth(FAMILIES)
    known = truth != OUTSIDE
    assert (nearest == truth)[known].mean() > 0.95
    assert (named == truth)[known].mean() > 0.85
    assert (named[~known] == OUTSIDE).all()


def test_families_that_do_not_differ_are_never_named() -> None:
    found = pictures(0.0)
    attributor = fit_attributor(found, "m")
    assert attributor.facts.named == ()
    assert all(attributor.of(each).unknown for each in found.embedding)


def test_a_family_that_is_not_told_apart_costs_the_others_nothing() -> None:
    found = pictures(8.0)
    mixed = found.embedding.copy()
    # openai's pictures are made as google's are.
    google, openai = found.family == "google", found.family == "openai"
    mixed[openai] = mixed[google] + np.random.default_rng(1).normal(0, 0.5, (openai.sum(), SIZE))
    attributor = fit_attributor(Pictures(mixed, found.family, found.source), "m")
    assert attributor.facts.named == ("flux",)


def test_too_few_shops_are_no_family() -> None:
    found = pictures(8.0, shops=3)
    assert found.known_families() == ()
    with pytest.raises(DataError, match="two families"):
        fit_attributor(found, "m")


def as_table(found: Pictures) -> EmbeddingTable:
    """The pictures and as many real photos, scored clean."""
    count = len(found)
    rng = np.random.default_rng(9)
    real = rng.normal(0, 1, (count, SIZE))
    both = 2 * count
    text = {name: np.array(["x"] * both) for name in ("group", "category", "split", "format")}
    numbers = {name: np.ones(both) for name in ("logit", "width", "height", "bytes_per_pixel", "quality")}
    return EmbeddingTable(
        photo_id=np.array([str(index) for index in range(both)]),
        tier=np.array(["clean"] * both),
        fake=np.arange(both) < count,
        family=np.concatenate([found.family, ["camera"] * count]),
        source=np.concatenate([found.source, [f"real-{index % 9}" for index in range(count)]]),
        embedding=np.concatenate([found.embedding, real]).astype(np.float16),
        **text,
        **numbers,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model.onnx")


def run(model: Path, table: EmbeddingTable, network: str | None = None) -> Path:
    path = model.with_name("embeddings.npz")
    table.save(path, network or network_hash(model))
    report = model.with_name("report")
    command.main(["--model", str(model), "--table", str(path), "--report", str(report)])
    return report


def test_the_command_writes_attributor_and_report(model: Path) -> None:
    folder = run(model, as_table(pictures(8.0, strange=20)))
    report = AttributionReport.model_validate_json((folder / "attribution.json").read_text())
    attributor = Attributor.from_file(attribution_path(model))
    assert attributor.facts.model == identity_of(read_card(model))
    assert report.named_families == list(FAMILIES)
    assert report.precision.value is not None
    assert report.precision.low is not None
    assert report.precision.low <= report.precision.value
    assert report.precision.value > 0.9
    assert sum(report.confusion["flux"].values()) == 64
    assert report.confusion["other"]["unknown"] == 20
    assert report.nearest_confusion["other"]["unknown"] == 0
    assert report.nearest_confusion["google"]["google"] > 60
    assert set(report.unknown_when_left_out) == set(FAMILIES)
    page = (folder / "attribution.md").read_text()
    assert "**Named are flux, google, openai**" in page
    assert report.sha256 in page


def test_the_report_says_so_when_nothing_can_be_named(model: Path) -> None:
    folder = run(model, as_table(pictures(0.0)))
    report = AttributionReport.model_validate_json((folder / "attribution.json").read_text())
    assert report.named_families == []
    assert report.real_named == 0.0
    assert "**No family is named.**" in (folder / "attribution.md").read_text()
    assert attribution_path(model).stat().st_size < 200_000


def test_embeddings_of_another_network_are_refused(model: Path) -> None:
    with pytest.raises(DataError, match="another network"):
        run(model, as_table(pictures(8.0)), network="f" * 16)
