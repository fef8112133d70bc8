"""Versions are whole, the champion changes only through gates, and the last one can come back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import mlflow
import numpy as np
import pytest

from src.registry.history import Change, parse_history
from src.registry.onnx_file import file_sha256
from src.registry.registry import Registry
from src.registry.resolve import resolve
from src.utils.errors import DataError, ModelError, NotFoundError, PromotionRefused
from tests.support.patience import computing_within
from tests.support.registry import Passing, judged_model
from tests.support.tiny_model import tiny_card, write_tiny_model

PASSED = [Passing()]


def test_a_version_holds_all_that_belongs_to_the_model(
    registry: Registry, tmp_path: Path, cache: Path
) -> None:
    model, report = judged_model(tmp_path)
    version = registry.find(registry.register(model, report, "d" * 64, "c" * 40))
    expected = {
        "sha256": file_sha256(model),
        "bytes": str(model.stat().st_size),
        "card_version": "1.0.0",
        "architecture": "tiny_conv",
        "data_hash": "d" * 64,
        "git_commit": "c" * 40,
        "splits_hash": "s",
        "report_sha256": file_sha256(report),
    }
    assert {key: version.tags[key] for key in expected} == expected
    assert registry.model_file(version, cache).read_bytes() == model.read_bytes()
    assert registry.report_file(version, cache).read_bytes() == report.read_bytes()


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow's own, of its own code
def test_mlflow_itself_loads_a_version_by_its_signature(
    registry: Registry, registry_uri: str, tmp_path: Path
) -> None:
    model, _ = judged_model(tmp_path)
    number = registry.register(model)
    folder = registry.find(number).source.removeprefix("file://")
    description = mlflow.models.Model.load(folder)
    assert [(each.name, each.shape) for each in description.signature.inputs] == [("image", (-1, 3, -1, -1))]
    assert description.signature.outputs.input_names() == ["logit", "embedding", "cam"]
    loaded = mlflow.pyfunc.load_model(folder)
    answers = loaded.predict({"image": np.zeros((1, 3, 64, 64), np.float32)})
    assert answers["logit"].shape == (1,)


def test_the_same_file_and_report_are_registered_once(registry: Registry, tmp_path: Path) -> None:
    model, report = judged_model(tmp_path)
    first = registry.register(model, report)
    assert registry.register(model, report) == first
    assert registry.register(model) != first
    assert len(registry.versions()) == 2


def test_what_cannot_be_registered_leaves_no_version(registry: Registry, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for path in (broken, tmp_path / "gone.onnx"):
        with pytest.raises(ModelError):
            registry.register(path)
    model, _ = judged_model(tmp_path)
    with pytest.raises(DataError, match="no report"):
        registry.register(model, tmp_path / "gone.json")
    assert registry.versions() == []


def test_no_promotion_without_gates_or_past_a_missed_one(registry: Registry, tmp_path: Path) -> None:
    number = registry.register(judged_model(tmp_path)[0])
    for gates in ([], [Passing(), Passing("too slow", passed=False)]):
        with pytest.raises(PromotionRefused, match="too slow" if gates else "no gate"):
            registry.promote(number, gates)
    assert registry.champion() is None
    with pytest.raises(NotFoundError):
        registry.promote(99, PASSED)


def test_gates_held_against_another_champion_promote_nothing(registry: Registry, tmp_path: Path) -> None:
    one, two, three = (registry.register(judged_model(tmp_path, f"{n}.0.0")[0]) for n in (1, 2, 3))
    with pytest.raises(PromotionRefused, match=f"held against version {two}, and now there is no champion"):
        registry.promote(one, PASSED, against=two)
    registry.promote(one, PASSED, against=0)
    registry.promote(two, PASSED, against=one)
    before = registry.history()
    for stale, named in ((one, f"version {one}"), (0, "no champion")):
        with pytest.raises(PromotionRefused, match=f"held against {named}, and now there is version {two}"):
            registry.promote(three, PASSED, summary="40 gates passed", against=stale)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == two
    assert registry.history() == before
    assert "gates" not in registry.find(three).tags


def test_a_champion_that_comes_at_the_last_moment_stays(
    registry: Registry, registry_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (registry.register(judged_model(tmp_path, f"{n}.0.0")[0]) for n in (1, 2, 3))
    registry.promote(one, PASSED)
    somebody = mlflow.MlflowClient(registry_uri, registry_uri)

    def read_meanwhile(text: str | None) -> list[Change]:
        somebody.set_registered_model_alias(registry.name, "champion", str(two))
        return parse_history(text)

    monkeypatch.setattr("src.registry.registry.parse_history", read_meanwhile)
    with pytest.raises(PromotionRefused, match=f"now there is version {two}"):
        registry.promote(three, PASSED, against=one)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == two


def test_promotion_rollback_and_their_history(registry: Registry, tmp_path: Path) -> None:
    one, two, three = (registry.register(judged_model(tmp_path, f"{n}.0.0")[0]) for n in (1, 2, 3))
    with pytest.raises(NotFoundError, match="earlier champion"):
        registry.rollback()
    registry.promote(one, PASSED)
    registry.challenge(two)
    registry.promote(two, PASSED, summary="40 gates passed")
    assert registry.challenger() is None
    assert registry.find(two).tags["gates"] == "40 gates passed"
    registry.promote(three, PASSED)
    assert [(each.version, each.aliases) for each in registry.versions()] == [
        (three, ("champion",)),
        (two, ()),
        (one, ()),
    ]
    with computing_within(5):
        assert registry.rollback() == (three, two)
    assert registry.rollback() == (two, one)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == one
    with pytest.raises(NotFoundError):
        registry.rollback()
    told = [(change.action, change.version) for change in registry.history()]
    assert told == [
        ("promote", one),
        ("promote", two),
        ("promote", three),
        ("rollback", two),
        ("rollback", one),
    ]


def test_a_uri_is_resolved_to_the_registered_bytes(
    registry: Registry, registry_uri: str, tmp_path: Path, cache: Path
) -> None:
    model, _ = judged_model(tmp_path)
    number = registry.register(model)
    registry.promote(number, PASSED)
    for name in (f"models:/{registry.name}@champion", f"models:/{registry.name}/{number}"):
        path = resolve(name, cache, registry_uri)
        assert path.read_bytes() == model.read_bytes()
    assert resolve(str(model), cache) == model
    path.write_bytes(b"damaged on disk")
    assert resolve(name, cache, registry_uri).read_bytes() == model.read_bytes()
    with pytest.raises(NotFoundError, match="@nobody"):
        resolve(f"models:/{registry.name}@nobody", cache, registry_uri)


def test_a_file_that_was_changed_in_the_registry_is_refused(
    registry: Registry, registry_uri: str, tmp_path: Path, cache: Path
) -> None:
    number = registry.register(judged_model(tmp_path)[0])
    source = Path(registry.find(number).source.removeprefix("file://"))
    write_tiny_model(source / "model.onnx")
    with pytest.raises(ModelError, match="not the file that was registered"):
        resolve(f"models:/{registry.name}/{number}", cache, registry_uri)
    assert list(cache.iterdir()) == []
    (source / "model.onnx").unlink()
    with pytest.raises(NotFoundError, match=r"model\.onnx"):
        resolve(f"models:/{registry.name}/{number}", cache, registry_uri)


def test_the_drift_reference_travels_with_the_model(
    registry: Registry, registry_uri: str, tmp_path: Path, cache: Path
) -> None:
    content = b"what traffic is compared with"
    digest = hashlib.sha256(content).hexdigest()
    model = write_tiny_model(tmp_path / "model.onnx", tiny_card(drift_reference=digest))
    beside = tmp_path / "model.reference.npz"
    for wrong in (None, b"of another model"):
        if wrong is not None:
            beside.write_bytes(wrong)
        with pytest.raises(ModelError, match=r"model\.reference\.npz"):
            registry.register(model)
    beside.write_bytes(content)
    number = registry.register(model)
    assert registry.find(number).tags["drift_reference_sha256"] == digest
    name = f"models:/{registry.name}/{number}"
    fetched = resolve(name, cache, registry_uri)
    reference = fetched.with_name(f"{fetched.stem}.reference.npz")
    assert reference.read_bytes() == content
    reference.write_bytes(b"damaged on disk")
    assert resolve(name, cache, registry_uri) == fetched
    assert reference.read_bytes() == content
    reference.unlink()
    kept = Path(registry.find(number).source.removeprefix("file://")) / "model.reference.npz"
    kept.write_bytes(b"changed in the registry")
    with pytest.raises(ModelError, match="not the file that was registered"):
        resolve(name, cache, registry_uri)
    assert not reference.exists()


def test_a_model_without_a_drift_reference_comes_alone(
    registry: Registry, registry_uri: str, tmp_path: Path, cache: Path
) -> None:
    model, _ = judged_model(tmp_path)
    # Whatever lies beside it: the card names none.
    model.with_name(f"{model.stem}.reference.npz").write_bytes(b"of nobody")
    number = registry.register(model)
    assert registry.find(number).reference_sha256 is None
    resolve(f"models:/{registry.name}/{number}", cache, registry_uri)
    assert [each.suffix for each in cache.iterdir()] == [".onnx"]


def test_history_is_json_in_a_tag_of_the_model(registry: Registry, registry_uri: str, tmp_path: Path) -> None:
    registry.promote(registry.register(judged_model(tmp_path)[0]), PASSED)
    model = mlflow.MlflowClient(registry_uri, registry_uri).get_registered_model(registry.name)
    assert [change["action"] for change in json.loads(model.tags["champions"])] == ["promote"]
