"""Validation passes sound data, and names each thing that is wrong with unsound data."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from src.data.checks import check_files, check_manifest, check_splits
from src.data.layout import original_path, stored_path
from src.data.manifest import PhotoRecord, write_manifest
from src.data.report import ValidationReport
from src.data.scan import ScanRow, scan
from src.data.splits import Split, make_splits, write_splits
from src.data.ties import read_ties, write_ties
from src.data.validate import main
from tests.data.builders import app_of, photo, record, shops
from tests.support.pictures import encode, picture

SHOPS = 8


class World:
    """Eight shops of each label with two photos each: real ones JPEG, AI-generated ones PNG."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.raw = folder, folder / "raw"
        self.records = [
            self.shop_photo(shop, n, fake=fake)
            for fake in (False, True)
            for shop in range(SHOPS)
            for n in (0, 1)
        ]
        self.save()

    def shop_photo(
        self, shop: int, n: int, *, fake: bool, seed: int | None = None, **options: object
    ) -> PhotoRecord:
        name = f"{'ai' if fake else 'real'}{shop}"
        kind = "PNG" if fake else "JPEG"
        drawn = 100 * fake + 10 * shop + n if seed is None else seed
        group = f"{name}:{options.pop('group', n)}"
        return photo(self.raw, drawn, fake=fake, kind=kind, options=options, source=name, group=group)

    def save(self, splits: list[Split] | None = None) -> None:
        write_manifest(self.folder / "m.csv", self.records)
        write_splits(self.folder / "splits.csv", splits or make_splits(self.records, 1, folds=2))

    def rows(self) -> dict[str, list[ScanRow]]:
        found = scan(self.records, self.raw, self.folder / "scan.jsonl")
        return {one.photo_id: rows for one, rows in zip(self.records, found, strict=True)}

    def run(self, *options: str) -> Result:
        paths = {
            "--manifest": self.folder / "m.csv",
            "--raw": self.raw,
            "--splits": self.folder / "splits.csv",
            "--ties": self.folder / "ties.csv",
            "--cache": self.folder / "scan.jsonl",
            "--out": self.folder / "report",
        }
        arguments = [str(part) for pair in paths.items() for part in pair]
        return CliRunner().invoke(app_of(main), [*arguments, *options])

    def report(self) -> ValidationReport:
        return ValidationReport.model_validate_json((self.folder / "report" / "validation.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def names(problems: list[object]) -> set[tuple[str, str]]:
    return {(found.severity, found.check) for found in problems}  # type: ignore[attr-defined]


def test_sound_data_is_valid_and_the_shortcut_in_it_is_measured(world: World) -> None:
    result = world.run()
    assert result.exit_code == 0, result.output
    report = world.report()
    assert report.ok
    assert report.files == {"original": 32, "stored": 32}
    assert report.balance.photos == {"real": 16, "ai_generated": 16}
    assert report.balance.sources == {"real": SHOPS, "ai_generated": SHOPS}
    assert report.balance.tables["generator"] == {"camera": {"real": 16}, "sdxl": {"ai_generated": 16}}
    assert report.census["original"].categories["format"] == {
        "JPEG": {"real": 16},
        "PNG": {"ai_generated": 16},
    }
    assert report.census["original"].numbers["quality"]["real"]["p50"] == 75
    # The format gives the label away in the originals, and is the same for both in the stored form.
    assert report.probe["original"].auroc_of_fact["is_png"] == 1.0
    assert report.probe["original"].auroc_logistic > 0.95
    assert report.probe["stored"].auroc_of_fact["is_png"] == 0.5


def test_page_holds_the_findings_and_nothing_from_outside(world: World) -> None:
    world.run()
    page = (world.folder / "report" / "validation.html").read_text()
    assert "Valid." in page
    assert "is_png" in page
    assert not re.search(r"<img|<script|https?://|src=", page)
    assert str(world.folder) not in page + (world.folder / "report" / "validation.json").read_text()


def test_names_are_escaped_on_the_page(world: World) -> None:
    world.records[0] = world.records[0].model_copy(update={"category": "<b>&", "path": "images/<i>.jpg"})
    world.save()
    world.run()
    page = (world.folder / "report" / "validation.html").read_text()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


def test_copy_of_a_real_photo_under_the_other_label_is_an_error(world: World) -> None:
    world.records.append(world.shop_photo(3, 7, fake=True, seed=21))
    world.save()
    result = world.run()
    assert result.exit_code == 1
    (pair,) = [pair for pair in world.report().pairs if pair.leaks]
    assert pair.kind == "near"
    assert "label" in pair.crosses
    page = (world.folder / "report" / "validation.html").read_text()
    assert "Not valid." in page
    assert "no_leak" in page


def test_near_duplicates_across_splits_are_an_error_until_they_are_tied(world: World) -> None:
    twin = world.shop_photo(2, 9, fake=False, seed=20, quality=60)
    world.records.append(twin)
    splits = make_splits(world.records, 1, folds=2)
    other = "val" if splits[4].split == "train" else "train"
    splits[-1] = splits[-1].model_copy(update={"split": other})
    world.save(splits)
    assert world.run("--update-ties").exit_code == 1
    ties = read_ties(world.folder / "ties.csv")
    assert [set(tie) for tie in ties] == [{world.records[4].photo_id, twin.photo_id}]

    world.save(make_splits(world.records, 1, folds=2, ties=ties))
    result = world.run()
    assert result.exit_code == 0, result.output
    (pair,) = world.report().pairs
    assert (pair.within, pair.crosses, pair.leaks) == ("unit", (), False)


def test_a_tie_does_not_excuse_one_picture_of_two_labels(world: World) -> None:
    copy = world.shop_photo(3, 7, fake=True, seed=21)
    world.records.append(copy)
    world.save()
    assert world.run("--update-ties").exit_code == 1
    assert read_ties(world.folder / "ties.csv") == []
    write_ties(
        world.folder / "ties.csv", [(world.report().pairs[0].first, world.report().pairs[0].second, "x")]
    )
    world.save(make_splits(world.records, 1, folds=2, ties=read_ties(world.folder / "ties.csv")))
    assert world.run().exit_code == 1
    (pair,) = world.report().pairs
    assert (pair.within, pair.crosses, pair.leaks) == ("unit", ("label",), True)
    assert ("error", "no_leak") in names(list(world.report().problems))


def test_near_duplicates_of_one_group_are_fine(world: World) -> None:
    world.records.append(world.shop_photo(2, 9, fake=False, seed=20, quality=60, group=0))
    world.save()
    assert world.run().exit_code == 0
    (pair,) = world.report().pairs
    assert pair.within == "group"


def test_loose_near_duplicates_on_one_side_are_a_warning(world: World) -> None:
    world.records.append(world.shop_photo(2, 9, fake=False, seed=20, quality=60))
    everything = [
        split.model_copy(update={"split": "train"}) for split in make_splits(world.records, 1, folds=2)
    ]
    world.save(everything)
    assert world.run().exit_code == 0
    assert ("warning", "near_duplicates_are_tied") in names(list(world.report().problems))


def test_same_bytes_of_two_photos_are_an_exact_duplicate(world: World) -> None:
    first, second = world.records[0], world.records[10]
    stored_path(second, world.raw).write_bytes(stored_path(first, world.raw).read_bytes())
    original_path(second, world.raw).write_bytes(original_path(first, world.raw).read_bytes())
    world.run()
    report = world.report()
    assert [pair.kind for pair in report.pairs] == ["exact"]
    assert ("error", "original_is_untouched") in names(list(report.problems))


def test_files_that_are_gone_broken_or_other_than_the_manifest_says(world: World) -> None:
    gone, broken, half, other = world.records[:4]
    for path in (original_path(gone, world.raw), stored_path(gone, world.raw)):
        path.unlink()
    for path in (
        original_path(broken, world.raw),
        stored_path(broken, world.raw),
        original_path(half, world.raw),
    ):
        path.write_bytes(path.read_bytes()[:300])
    stored_path(other, world.raw).write_bytes(encode(picture(1, (50, 50)), "JPEG"))
    original_path(other, world.raw).write_bytes(encode(picture(1, (50, 50)), "PNG"))
    problems = check_files(world.records, world.rows())
    found = {problem.check: (problem.severity, problem.count) for problem in problems}
    assert found == {
        "file_is_there": ("error", 1),
        "photo_is_readable": ("error", 1),
        "file_is_readable": ("warning", 3),
        "original_is_untouched": ("error", 3),
        "original_facts": ("warning", 1),
        "stored_facts": ("warning", 1),
    }
    assert world.run().exit_code == 1


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"path": "images/other.jpg"}, ("error", "path_names_photo")),
        ({"group": "ai1:0"}, ("error", "group_has_one_label")),
        ({"source": "ai1"}, ("warning", "source_has_one_label")),
        ({"style": ""}, ("error", "style_is_of_real_photos")),
        ({"width": 700}, ("error", "stored_size")),
        ({"year": None}, ("warning", "year_is_known")),
    ],
)
def test_rules_of_the_manifest(changes: dict[str, object], check: tuple[str, str]) -> None:
    records = shops(2, 2, fake=False) + shops(2, 2, fake=True)
    assert check_manifest(records) == []
    assert names(
        check_manifest([record("real-0-0", **({"source": "real0", "group": "real0:0"} | changes)), *records])
    ) == {check}


def change(splits: dict[str, Split], photo_id: str, **changes: object) -> None:
    splits[photo_id] = splits[photo_id].model_copy(update=changes)


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lambda splits, ids: splits.pop(ids[0]), "photo_has_split"),
        (lambda splits, ids: splits.update(x=Split(photo_id="x", split="test", fold=0)), "split_has_photo"),
        (lambda splits, ids: change(splits, ids[0], split="heldout"), "group_in_one_split"),
        (lambda splits, ids: change(splits, ids[0], fold=1 - splits[ids[0]].fold), "source_in_one_fold"),
        (lambda splits, ids: change(splits, ids[-1], split="val"), "both_labels"),
    ],
)
def test_rules_of_the_splits(damage: Callable[[dict[str, Split], list[str]], object], check: str) -> None:
    records = [record(f"twin {n}", source="twins", group="twins") for n in (1, 2)]
    records += shops(6, 1, fake=False) + shops(6, 1, fake=True)
    splits = {split.photo_id: split for split in make_splits(records, 1, folds=2)}
    assert check_splits(records, splits) == []
    damage(splits, [one.photo_id for one in records])
    assert names(check_splits(records, splits)) == {("error", check)}


def test_too_few_shops_give_no_probe(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.records = [one for one in world.records if one.source in {"real0", "real1", "ai0", "ai1"}]
    world.save()
    assert world.run().exit_code == 0
    assert world.report().probe == {}
    assert "Too few shops" in (tmp_path / "report" / "validation.html").read_text()


def test_unreadable_splits_are_exit_code_two(world: World) -> None:
    (world.folder / "splits.csv").unlink()
    assert world.run().exit_code == 2


def test_committed_report_is_of_the_committed_manifest() -> None:
    report = json.loads(Path("reports/data/validation.json").read_text())
    assert not [found for found in report["problems"] if found["severity"] == "error"]
    assert report["photos"] == len(Path("data/manifest.csv").read_text().splitlines()) - 1
