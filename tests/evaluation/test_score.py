"""Scoring: the same line as serving, once for each photo and tier, resumed after a kill."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image

from src.data.layout import locate
from src.data.splits import Split, read_splits, splits_hash, write_splits
from src.evaluation import score
from src.evaluation.origin import Forms, meta_path, read_meta, write_meta
from src.evaluation.score import main, parse_tiers, score_image, score_photos
from src.evaluation.scores import read_scores
from src.evaluation.selection import select, spread
from src.imaging.degrade import apply_tier
from src.imaging.views import Views
from src.inference.detector import Detector, ViewScores
from src.utils.errors import ConfigError, DataError
from src.utils.model_card import Calibration, ModelCard, ViewPlan
from tests.evaluation.conftest import World
from tests.support.tiny_model import write_tiny_model


def splits_of(world: World) -> list[Split]:
    return list(world.split_of.values())


class CountingScorer:
    """A detector that counts the photos it is asked about."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.asked = 0

    @property
    def card(self) -> ModelCard:
        return self._detector.card

    def score_views(self, views: Sequence[Views]) -> list[ViewScores]:
        self.asked += len(views)
        return self._detector.score_views(views)


def test_clean_logits_are_those_of_the_detector(world: World) -> None:
    out = world.root / "scores" / "x.csv"
    assert main([*world.options(), "--select", "all", "--tiers", "clean", "--out", str(out)]) == 0
    detector = Detector.from_file(world.model, threads=1)
    rows = {row.photo_id: row for row in read_scores(out)}
    assert len(rows) == len(world.records)
    for record in world.records[:6]:
        path = locate(record, world.raw)
        assert path is not None
        detection = detector.detect(path)
        row = rows[record.photo_id]
        assert row.logit == pytest.approx(detection.logit, abs=1e-4)
        assert row.global_logit == pytest.approx(detection.global_logit, abs=1e-4)
        assert row.crop_logits == pytest.approx(detection.crop_logits, abs=1e-4)
        assert row.form == "original"
        assert (row.source, row.label, row.fold) == (
            record.source,
            record.label,
            world.split_of[record.photo_id].fold,
        )


def test_every_tier_is_scored_on_the_degraded_photo(world: World) -> None:
    detector = Detector.from_file(world.model, threads=1)
    rows = [
        row
        for rows in score_photos(
            detector, world.records[:2], world.split_of, world.raw, ["clean", "web", "hard"]
        )
        for row in rows
    ]
    assert sorted((row.photo_id, row.tier) for row in rows) == sorted(
        (record.photo_id, tier) for record in world.records[:2] for tier in ("clean", "web", "hard")
    )
    path = locate(world.records[0], world.raw)
    assert path is not None
    image = Image.open(path).convert("RGB")
    hard = next(row for row in rows if row.photo_id == world.records[0].photo_id and row.tier == "hard")
    assert hard.logit == pytest.approx(score_image(detector, apply_tier(image, "hard")).combined, abs=1e-5)


def test_another_view_plan_can_be_tried(world: World) -> None:
    detector = Detector.from_file(world.model, threads=1)
    plan = ViewPlan(max_side=256, global_sizes=(64,), crop_size=32, crops=0)
    logits = score_image(detector, Image.new("RGB", (80, 60), (200, 90, 100)), plan)
    assert logits.combined == logits.whole
    assert logits.crops == ()


def test_an_ended_run_goes_on_where_it_stopped(world: World) -> None:
    out = world.root / "x.csv"
    model = world.without_fold(0)
    arguments = [*world.options(), "--select", "fold:0", "--tiers", "clean,hard", "--out", str(out)]
    arguments += ["--model", str(model)]
    assert main(arguments) == 0
    complete = out.read_text()
    lines = complete.splitlines(keepends=True)
    assert len(lines) == 1 + 24
    # A kill left six whole lines and half of one.
    out.write_text("".join(lines[:7]) + lines[7][:20])
    scorer = CountingScorer(Detector.from_file(model, threads=1))
    selection = select(world.manifest, world.splits, "fold:0")
    finished = read_meta(out)
    assert finished.forms == Forms(original=12, stored=0, missing=0)
    killed = finished.model_copy(update={"forms": None})
    write_meta(out, killed)
    score.score_to(out, scorer, selection, world.raw, tiers=["clean", "hard"], meta=killed)
    assert read_meta(out) == finished
    assert sorted(out.read_text().splitlines()) == sorted(complete.splitlines())
    assert scorer.asked == 24 - 6
    assert main(arguments) == 0  # nothing left to do
    assert sorted(out.read_text().splitlines()) == sorted(complete.splitlines())


def test_scores_of_two_networks_are_never_mixed(world: World) -> None:
    out = world.root / "x.csv"
    arguments = [*world.options(), "--select", "test", "--tiers", "clean", "--out", str(out)]
    assert main(arguments) == 0
    card = Detector.from_file(world.model).card
    views = card.views.model_copy(update={"global_sizes": (96,)})
    write_tiny_model(world.model, card.model_copy(update={"views": views}))
    with pytest.raises(DataError, match="another model"):
        main(arguments)
    meta_path(out).unlink()
    with pytest.raises(DataError, match="which model"):
        main(arguments)


def test_a_table_of_other_splits_is_not_gone_on_with(world: World) -> None:
    out = world.root / "x.csv"
    arguments = [*world.options(), "--select", "test", "--tiers", "clean", "--out", str(out)]
    assert main(arguments) == 0
    moved = [split.model_copy(update={"fold": 1 - split.fold}) for split in world.split_of.values()]
    write_splits(world.splits, moved)
    with pytest.raises(DataError, match="trained by splits"):
        main(arguments)
    write_tiny_model(world.model, world.card(splits_hash=splits_hash(moved)))
    with pytest.raises(DataError, match="or splits"):
        main(arguments)


def test_a_card_that_learned_to_count_fewer_crops_needs_no_new_scores(world: World) -> None:
    out = world.root / "x.csv"
    arguments = [*world.options(), "--select", "test", "--tiers", "clean", "--out", str(out)]
    assert main(arguments) == 0
    complete = out.read_text()
    lines = complete.splitlines(keepends=True)
    out.write_text("".join(lines[:4]))
    card = world.card()
    fitted = {"views": card.views.model_copy(update={"crops": 1, "global_weight": 0.5})}
    write_tiny_model(world.model, card.model_copy(update=fitted | {"calibration": Calibration(bias=1.0)}))
    assert main(arguments) == 0
    assert sorted(out.read_text().splitlines()) == sorted(complete.splitlines())
    more = {"views": card.views.model_copy(update={"crops": 3})}
    write_tiny_model(world.model, card.model_copy(update=more))
    with pytest.raises(DataError, match="another model"):
        main(arguments)


@pytest.mark.parametrize(("held_out", "wanted"), [(None, "fold:0"), (1, "fold:0"), (0, "test"), (0, "val")])
def test_what_a_network_may_know_is_not_scored(world: World, held_out: int | None, wanted: str) -> None:
    write_splits(
        world.splits,
        [
            each.model_copy(update={"split": "val"}) if i == 1 else each
            for i, each in enumerate(splits_of(world))
        ],
    )
    splits = splits_hash(read_splits(world.splits).values())
    write_tiny_model(world.model, world.card(held_out, splits_hash=splits))
    out = world.root / "x.csv"
    with pytest.raises(DataError, match="left out"):
        main([*world.options(), "--select", wanted, "--out", str(out)])
    assert not out.exists()


def test_stored_forms_are_counted_apart(world: World) -> None:
    small = world.records[0]
    original = world.raw / "originals" / f"{small.photo_id}.png"
    Image.open(original).save(world.raw / "images" / f"{small.photo_id}.jpg")
    original.unlink()
    out = world.root / "x.csv"
    assert main([*world.options(), "--select", "test", "--tiers", "clean", "--out", str(out)]) == 0
    assert read_meta(out).forms == Forms(original=7, stored=1, missing=0)
    assert {row.form for row in read_scores(out) if row.photo_id == small.photo_id} == {"stored"}


def test_held_out_generators_are_scored_where_there_are_some(world: World) -> None:
    out = world.root / "x.csv"
    arguments = [*world.options(), "--tiers", "clean", "--out", str(out)]
    assert main([*arguments, "--select", "heldout", "--if-any"]) == 0
    assert not out.exists()
    with pytest.raises(DataError, match="no photo"):
        main([*arguments, "--select", "heldout"])
    splits = [
        each.model_copy(update={"split": "heldout"}) if i < 3 else each
        for i, each in enumerate(splits_of(world))
    ]
    write_splits(world.splits, splits)
    write_tiny_model(world.model, world.card(splits_hash=splits_hash(splits)))
    assert main([*arguments, "--select", "heldout"]) == 0
    assert len(read_scores(out)) == 3
    # Thresholds must not learn from them: their fold leaves them out.
    assert len(select(world.manifest, world.splits, "fold:0").records) == 12 - 3


def test_a_photo_that_cannot_be_read_is_left_out_and_told(world: World) -> None:
    broken, missing = world.records[0], world.records[3]
    (world.raw / "originals" / f"{broken.photo_id}.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (world.raw / "originals" / f"{missing.photo_id}.png").unlink()
    out = world.root / "x.csv"
    arguments = [*world.options(), "--select", "test", "--tiers", "clean", "--out", str(out)]
    assert main(arguments) == 1  # 2 of 8 are more than 5 %
    assert main([*arguments, "--max-missing", "0.3"]) == 0
    assert read_meta(out).forms == Forms(original=6, stored=0, missing=2)
    assert {row.photo_id for row in read_scores(out)} == {
        record.photo_id for record in world.records[::3]
    } - {broken.photo_id, missing.photo_id}


@pytest.mark.parametrize(("wanted", "count"), [("all", 24), ("test", 8), ("train", 16), ("fold:1", 12)])
def test_selections(world: World, wanted: str, count: int) -> None:
    assert len(select(world.manifest, world.splits, wanted).records) == count


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ("fold:9", DataError),
        ("val", DataError),
        ("fold", ConfigError),
        ("fold:x", ConfigError),
        ("best", ConfigError),
    ],
)
def test_a_selection_of_nothing_is_refused(world: World, wanted: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        select(world.manifest, world.splits, wanted)


def test_a_photo_without_a_split_is_refused(world: World) -> None:
    lines = world.splits.read_text().splitlines()
    world.splits.write_text("\n".join(lines[:-2]) + "\n")
    with pytest.raises(DataError, match="2 photos"):
        select(world.manifest, world.splits, "all")


def test_a_limit_takes_from_every_shop_in_turn(world: World) -> None:
    chosen = spread(world.records, 10)
    assert len(chosen) == 10
    assert {record.source for record in chosen} == {f"shop-{i}" for i in range(8)}
    assert spread(list(reversed(world.records)), 10) == chosen
    assert spread(world.records, None) == world.records


def test_tiers_are_checked() -> None:
    assert parse_tiers("clean, hard") == ["clean", "hard"]
    with pytest.raises(ConfigError, match="clean"):
        parse_tiers("clean,worse")
