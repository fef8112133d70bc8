"""The shortcut check catches a detector of files, and lets one pass that looks at the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from src.data.facts import FileFacts, open_facts
from src.evaluation.bootstrap import Figure
from src.evaluation.counterfactual import compare, donors_of, draw_donors, resemble
from src.evaluation.factcheck import FactRow, check_facts, worst
from src.evaluation.shortcut import FactSet, Photo, ShortcutReport, main, run_check
from src.imaging.decode import decode
from src.utils.errors import DataError
from tests.evaluation.conftest import STYLES, World, synthetic_rows, write_folds, write_table
from tests.support.tiny_model import tiny_card

Score = Callable[[Image.Image], float]


def picture(rng: np.random.Generator, *, fake: bool) -> Image.Image:
    """Noise on which JPEG leaves its mark; fakes are reddish."""
    pixels = rng.normal(120, 40, (96, 128, 3))
    pixels[..., 0] += 25 if fake else -25
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, quality: int | None) -> bytes:
    stream = BytesIO()
    if quality is None:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def blockiness(image: Image.Image) -> float:
    """Mean step across the 8-px grid against steps elsewhere: what a detector of JPEG would learn."""
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    on_grid = np.arange(len(steps)) % 8 == 7
    return float(steps[on_grid].mean() / steps[~on_grid].mean())


def redness(image: Image.Image) -> float:
    mean = np.asarray(image, dtype=np.float64).mean(axis=(0, 1))
    return float(mean[0] - mean[2]) / 5


def photos(score: Score, *, mixed: bool = False) -> list[Photo]:
    """40 shops of 4; real photos are poor JPEGs and fakes PNGs, unless `mixed`."""
    rng = np.random.default_rng(0)
    made = []
    for shop in range(40):
        fake = shop % 2 == 1
        for _ in range(4):
            quality = (
                (None, 30)[int(rng.integers(2))] if mixed else (None if fake else int(rng.integers(15, 40)))
            )
            data = encoded(picture(rng, fake=fake), quality)

            def run(donors: Sequence[FileFacts | None], data: bytes = data) -> list[float]:
                image = decode(data)
                return [score(image if donor is None else resemble(image, donor)) for donor in donors]

            made.append(Photo(fake, f"shop-{shop}", open_facts(data), run))
    return made


def test_a_detector_of_jpeg_fails() -> None:
    report = run_check(photos(lambda image: 40 * (1.12 - blockiness(image))), tiny_card(), "n", "planted")
    again = report.counterfactual
    assert again.balanced_accuracy["untouched"] > 95
    assert again.control.value is not None
    assert again.control.value < 5
    assert again.net.value is not None
    assert again.net.value > 20
    assert again.net.low is not None
    assert again.net.low > 2
    assert not report.passes


def test_a_detector_of_the_picture_passes() -> None:
    report = run_check(photos(redness), tiny_card(), "n", "clean")
    assert report.counterfactual.balanced_accuracy["other"] > 95
    assert abs(report.counterfactual.net.value or 0.0) < 1
    assert report.facts[0].worst_spearman < 0.25
    assert report.passes


def test_the_control_excuses_nothing() -> None:
    """What any re-encoding costs counts against the bar too, and so does each set of scores."""
    report = run_check(photos(redness), tiny_card(), "n", "clean")
    again = report.counterfactual
    dear = again.model_copy(update={"cost": Figure(value=2.1), "control": Figure(value=2.1)})
    assert not report.model_copy(update={"counterfactual": dear}).passes
    assert report.model_copy(
        update={"counterfactual": again.model_copy(update={"cost": Figure(value=2.0)})}
    ).passes
    row = FactRow(fact="x", label="real", photos=40, spearman=Figure(value=-0.26), within_source=None)
    followed = FactSet(scores="unseen", networks=["n0"], rows=[row])
    assert not report.model_copy(update={"facts": [*report.facts, followed]}).passes


def test_a_logit_that_follows_quality_within_a_label_is_found() -> None:
    """Both labels have both codecs, so accuracy shows nothing; the correlation does."""

    def both(image: Image.Image) -> float:
        return redness(image) - 30 * blockiness(image)

    report = run_check(
        photos(lambda image: redness(image) - 30 * blockiness(image), mixed=True), tiny_card(), "n", "x"
    )
    found = worst(report.facts[0].rows)
    assert found is not None
    # The larger file is the lossless one: several facts tell the codec.
    assert found.fact in {"is_png", "is_jpeg", "bytes", "bytes_per_pixel", "chroma_4:2:0"}
    assert abs(found.spearman.value or 0) > 0.5
    assert not report.passes


def test_a_shop_that_explains_a_correlation_is_told_apart() -> None:
    """Shops differ in size and in logit; within a shop the two have nothing to do with each other."""
    rng = np.random.default_rng(1)
    shop = np.repeat(np.arange(30), 10)
    width = 500 + 20 * shop + rng.normal(0, 5, 300)
    logit = 0.2 * shop + rng.normal(0, 0.5, 300)
    source = np.array([f"s{i}" for i in shop])
    facts = [{"width": float(value), "constant": 1.0, "none": float("nan")} for value in width]
    rows = check_facts(logit, np.zeros(300, bool), source, facts)
    (row,) = rows
    assert (row.fact, row.label, row.photos) == ("width", "real", 300)
    assert row.spearman.value is not None
    assert row.spearman.value > 0.9
    assert row.spearman.low is not None
    assert row.spearman.low < row.spearman.value < (row.spearman.high or 0) + 0.05
    assert row.within_source == pytest.approx(0.0, abs=0.2)


def test_spearman_agrees_with_scipy() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(2)
    values = np.round(rng.normal(0, 1, 200), 1)
    logit = values + rng.normal(0, 1, 200)
    source = np.array([f"s{i % 20}" for i in range(200)])
    (row,) = check_facts(logit, np.ones(200, bool), source, [{"x": float(v)} for v in values])
    assert row.spearman.value == pytest.approx(spearmanr(logit, values).statistic)


def test_facts_of_one_shop_have_no_interval() -> None:
    rng = np.random.default_rng(3)
    facts = [{"x": float(v)} for v in rng.normal(0, 1, 40)]
    (row,) = check_facts(rng.normal(0, 1, 40), np.ones(40, bool), np.full(40, "one"), facts)
    assert row.spearman.low is None
    assert check_facts(np.zeros(0), np.zeros(0, bool), np.zeros(0, str), []) == []


def donor(**changes: object) -> FileFacts:
    facts: dict[str, object] = {
        "format": "JPEG",
        "width": 50,
        "height": 40,
        "bytes": 1000,
        "bytes_per_pixel": 0.5,
        "quality": 20,
        "quant_hash": "",
        "quant_mean": 50.0,
        "progressive": False,
        "subsampling": "4:2:0",
        "has_exif": False,
        "has_icc": False,
    }
    return FileFacts.model_validate(facts | changes)


def test_a_photo_takes_over_size_and_codec() -> None:
    image = picture(np.random.default_rng(4), fake=False)
    assert resemble(image, donor()).size == (50, 38)
    assert blockiness(resemble(image, donor(width=500))) > blockiness(image) + 0.1
    assert resemble(image, donor(width=500)).size == image.size  # never enlarged
    assert resemble(image, donor(width=500, format="PNG", quality=None)) is image
    lossy = resemble(image, donor(width=500, format="WEBP", quality=None, subsampling=""))
    assert lossy.size == image.size
    assert lossy.tobytes() != image.tobytes()
    rough, fine = (
        resemble(image, donor(width=500, quality=quality, subsampling="4:4:4")) for quality in (10, 100)
    )
    error = [np.abs(np.asarray(each, float) - np.asarray(image, float)).mean() for each in (rough, fine)]
    assert error[0] > 3 * error[1]


def test_donors_come_from_the_wanted_label_and_shops_evenly() -> None:
    fake = np.array([False] * 400 + [True] * 400)
    source = np.array(["large"] * 390 + [f"small-{i}" for i in range(10)] + ["a"] * 200 + ["b"] * 200)
    rng = np.random.default_rng(5)
    other = draw_donors(fake, source, other=True, rng=rng)
    own = draw_donors(fake, source, other=False, rng=rng)
    assert (fake[other] != fake).all()
    assert (fake[own] == fake).all()
    large = np.mean(source[other][fake] == "large")
    assert large == pytest.approx(1 / 11, abs=0.06)
    with pytest.raises(DataError):
        draw_donors(fake[:5], source[:5], other=True, rng=rng)


def test_the_same_seed_draws_the_same_donors() -> None:
    fake = np.arange(20) % 2 == 0
    source = np.array([f"s{i}" for i in range(20)])
    facts = [donor(width=100 + i) for i in range(20)]
    assert donors_of(facts, fake, source, seed=1) == donors_of(facts, fake, source, seed=1)
    assert donors_of(facts, fake, source, seed=1) != donors_of(facts, fake, source, seed=2)


def test_points_by_hand() -> None:
    fake = np.array([True, True, False, False])
    right = fake.copy()
    source = np.array(["a", "b", "c", "d"])
    one_wrong = np.array([True, False, False, False])
    found = compare(fake, source, {"untouched": right, "own": right, "other": one_wrong}, replicates=50)
    assert found.balanced_accuracy == {"untouched": 100, "own": 100, "other": 75}
    assert (found.cost.value, found.control.value, found.net.value) == (25, 0, 25)


def test_the_command_on_files(world: World) -> None:
    assert len(STYLES) == 3
    out = world.root / "outputs" / "shortcut.json"
    arguments = [*world.options(), "--select", "all", "--limit", "16", "--out", str(out)]
    assert main(arguments) == 0
    report = ShortcutReport.model_validate_json(out.read_text())
    assert report.counterfactual.photos == 16
    assert report.counterfactual.balanced_accuracy["other"] == 100
    assert report.facts[0].rows == []  # fewer photos than a correlation needs


def test_correlations_may_come_from_whole_score_tables(world: World) -> None:
    rows = synthetic_rows(shops=4, photos=6, tiers=("clean",))
    ids = [record.photo_id for record in world.records]
    rows = [row.model_copy(update={"photo_id": name}) for row, name in zip(rows, ids, strict=True)]
    table = write_table(world.root / "test.csv", rows)
    folds = write_folds(world.root, rows)
    (world.raw / "originals" / f"{ids[0]}.png").unlink()
    (world.raw / "originals" / f"{ids[1]}.png").write_bytes(b"no picture")
    out = world.root / "shortcut.json"
    arguments = [*world.options(), "--select", "all", "--out", str(out)]
    arguments += ["--scores", str(table), "--scores", *map(str, folds)]
    assert main(arguments) in (0, 1)
    report = ShortcutReport.model_validate_json(out.read_text())
    assert report.name == "all"
    assert {each.scores: each.networks for each in report.facts} == {
        "test": ["released"],
        "unseen": ["n0", "n1"],
    }
    with pytest.raises(DataError, match="by its own"):
        main([*arguments[:-5], "--scores", str(table), str(folds[0])])
    assert report.counterfactual.photos == 22


def test_without_photos_there_is_no_check(world: World) -> None:
    for path in (world.raw / "originals").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="raw folder"):
        main([*world.options(), "--select", "all", "--out", str(world.root / "x.json")])
