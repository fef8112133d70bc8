"""Splits keep groups whole, folds keep shops whole, and both are repeatable and balanced."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from src.data.manifest import PhotoRecord, read_manifest, write_manifest
from src.data.splits import (
    Split,
    main,
    make_splits,
    read_splits,
    splits_hash,
    splits_match,
    write_splits,
)
from src.data.ties import read_ties, tie_units, write_ties
from src.utils.errors import DataError
from tests.data.builders import app_of, record, shops

COMMITTED = read_manifest(Path("data/manifest.csv"))


@st.composite
def worlds(draw: st.DrawFn) -> list[PhotoRecord]:
    """Some shops of both labels with groups of any size; now and then a group that two shops share."""
    records = []
    for shop in range(draw(st.integers(6, 14))):
        fake = shop % 2 == 0
        style = "" if fake else draw(st.sampled_from(["seller", "studio", "render"]))
        for group, size in enumerate(draw(st.lists(st.integers(1, 6), min_size=1, max_size=8))):
            shared = draw(st.integers(0, 19)) == 0
            name = f"shared:{fake}" if shared else f"{shop}:{group}"
            records += [
                record(f"{shop}-{group}-{n}", fake=fake, source=f"s{shop}", group=name, style=style)
                for n in range(size)
            ]
    return records


def values(
    records: list[PhotoRecord], key: Callable[[PhotoRecord], str], value: Callable[[Split], object]
) -> dict[str, set[object]]:
    found: dict[str, set[object]] = defaultdict(set)
    for one, split in zip(records, make_splits(records, 5, folds=2), strict=True):
        found[key(one)].add(value(split))
    return found


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_no_group_straddles_splits_and_no_source_straddles_folds(records: list[PhotoRecord]) -> None:
    groups = values(records, lambda one: one.group, lambda split: (split.split, split.fold))
    assert all(len(found) == 1 for found in groups.values())
    sources = values(records, lambda one: one.source, lambda split: split.fold)
    assert all(len(found) == 1 for found in sources.values())


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), st.integers(0, 99))
def test_every_photo_once_and_same_for_any_order_of_rows(
    records: list[PhotoRecord], random: st.DataObject, seed: int
) -> None:
    first = make_splits(records, seed, folds=2)
    assert [split.photo_id for split in first] == [one.photo_id for one in records]
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {s.photo_id: s for s in make_splits(shuffled, seed, folds=2)} == {s.photo_id: s for s in first}


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_test_and_val_hold_known_shops_only(records: list[PhotoRecord]) -> None:
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for one, split in zip(records, make_splits(records, 3, folds=2), strict=True):
        by_source[one.source][split.split] += 1
    shared = {one.source for one in records if one.group.startswith("shared")}
    for source, counts in by_source.items():
        if source not in shared:
            assert counts["train"] >= counts.total() / 2


@settings(max_examples=40, deadline=None)
@given(worlds(), st.data())
def test_ties_hold_and_never_move_a_photo_out_of_train(
    records: list[PhotoRecord], data: st.DataObject
) -> None:
    ids = st.sampled_from([one.photo_id for one in records if one.source in {"s1", "s3"}])
    ties = data.draw(st.lists(st.tuples(ids, ids), max_size=5))
    before = {split.photo_id: split for split in make_splits(records, 7, folds=2)}
    after = {split.photo_id: split for split in make_splits(records, 7, folds=2, ties=ties)}
    assert all(after[a].split == after[b].split and after[a].fold == after[b].fold for a, b in ties)
    moved = [after[photo].split for photo, split in before.items() if after[photo].split != split.split]
    assert set(moved) <= {"train"}


def test_another_seed_draws_others() -> None:
    records = shops(10, 20, fake=False) + shops(10, 20, fake=True)
    assert make_splits(records, 1) != make_splits(records, 2)


def test_shares_are_kept_overall_and_in_each_large_shop() -> None:
    splits = {split.photo_id: split.split for split in make_splits(COMMITTED, 17)}
    groups: dict[str, set[str]] = defaultdict(set)
    photos: dict[str, Counter[str]] = defaultdict(Counter)
    for one in COMMITTED:
        groups[one.source].add(one.group)
        photos[one.source][splits[one.photo_id]] += 1
    several = {source: counts for source, counts in photos.items() if len(groups[source]) > 1}
    total = sum(counts.total() for counts in several.values())
    assert sum(counts["test"] for counts in several.values()) / total == pytest.approx(0.12, abs=0.01)
    assert sum(counts["val"] for counts in several.values()) / total == pytest.approx(0.08, abs=0.01)
    for source, counts in several.items():
        if len(groups[source]) >= 30:
            assert 0.08 <= counts["test"] / counts.total() <= 0.16, source
    assert all(
        counts["train"] == counts.total() for source, counts in photos.items() if source not in several
    )


def test_folds_are_balanced_by_label_style_sources_and_photos() -> None:
    fold = {split.photo_id: split.fold for split in make_splits(COMMITTED, 17)}
    for stratum in {(one.label, one.style) for one in COMMITTED}:
        members = [one for one in COMMITTED if (one.label, one.style) == stratum]
        sources = [len({one.source for one in members if fold[one.photo_id] == each}) for each in range(5)]
        assert max(sources) - min(sources) <= 2, stratum
        photos = Counter(fold[one.photo_id] for one in members)
        largest = max(Counter(one.source for one in members).values())
        assert max(photos.values()) - min(photos.values()) <= largest, stratum


def test_committed_ties_keep_near_duplicates_together() -> None:
    ties = read_ties(Path("data/ties.csv"))
    splits = {split.photo_id: split for split in make_splits(COMMITTED, 17, ties=ties)}
    assert ties
    assert all(splits[a].split == splits[b].split and splits[a].fold == splits[b].fold for a, b in ties)


def test_held_out_generator_takes_its_groups_along() -> None:
    records = [*shops(4, 5, fake=False), *shops(4, 5, fake=True)]
    rare = record("rare", fake=True, generator="flux", source="ai0", group="ai0:1")
    splits = dict(
        zip([*records, rare], make_splits([*records, rare], 1, held_out_generators=["flux"]), strict=True)
    )
    out = {one.group for one, split in splits.items() if split.split == "heldout"}
    assert out == {"ai0:1"}
    assert splits[rare].split == "heldout"


@pytest.mark.parametrize("name", ["no_such_model", "camera"])
def test_only_generators_can_be_held_out(name: str) -> None:
    with pytest.raises(DataError, match="hold out"):
        make_splits(shops(6, 2, fake=False), 1, held_out_generators=[name])


def test_impossible_shares_and_folds_are_refused() -> None:
    records = shops(3, 2, fake=False)
    with pytest.raises(DataError, match=r"at most 0\.5"):
        make_splits(records, 1, test_share=0.4, val_share=0.2)
    with pytest.raises(DataError, match="cannot deal 3"):
        make_splits(records, 1, folds=5)
    with pytest.raises(DataError, match="cannot deal"):
        make_splits(records, 1, folds=1)


def test_tie_of_an_unknown_photo_is_refused() -> None:
    with pytest.raises(DataError, match="does not have"):
        tie_units([record(1)], [(record(1).photo_id, "f" * 16)])


def test_splits_and_ties_files_are_read_back_and_checked(tmp_path: Path) -> None:
    splits = make_splits(shops(6, 4, fake=False), 1)
    path = tmp_path / "new" / "splits.csv"
    write_splits(path, splits)
    assert list(read_splits(path).values()) == splits
    write_splits(path, [splits[0], splits[0]])
    with pytest.raises(DataError, match="twice"):
        read_splits(path)
    path.write_text("photo_id,split,fold\nabc,holiday,0\n")
    with pytest.raises(DataError, match="no splits file"):
        read_splits(path)
    with pytest.raises(DataError, match="make data"):
        read_splits(tmp_path / "none.csv")

    write_ties(tmp_path / "ties.csv", [("c", "d", "near"), ("a", "b", "exact")])
    assert read_ties(tmp_path / "ties.csv") == [("a", "b"), ("c", "d")]
    with pytest.raises(DataError, match="columns"):
        read_ties(path)
    with pytest.raises(DataError, match="no ties"):
        read_ties(tmp_path / "none.csv")


def test_splits_must_hold_out_what_training_wants_held_out() -> None:
    records = (
        shops(6, 5, fake=False) + shops(6, 5, fake=True) + shops(6, 2, fake=True, start=6, generator="x")
    )
    without = {split.photo_id: split for split in make_splits(records, 3)}
    splits_match(records, without, ())
    held = {split.photo_id: split for split in make_splits(records, 3, held_out_generators=["sdxl"])}
    splits_match(records, held, ["sdxl"])
    with pytest.raises(DataError, match=r"sdxl \(30 photos\), x \(12 photos\)"):
        splits_match(records, without, ["sdxl", "x"])
    with pytest.raises(DataError, match=r"x \(12 photos\)"):
        splits_match(records, held, ["sdxl", "x"])
    astray = records[-1].photo_id
    both = {split.photo_id: split for split in make_splits(records, 3, held_out_generators=["x"])}
    with pytest.raises(DataError, match=r"x \(1 photos\)"):
        splits_match(records, {name: split for name, split in both.items() if name != astray}, ["x"])


def test_command_writes_the_splits(tmp_path: Path) -> None:
    records = shops(6, 5, fake=False) + shops(6, 5, fake=True)
    write_manifest(tmp_path / "m.csv", records)
    out = tmp_path / "splits.csv"
    write_ties(tmp_path / "t.csv", [(records[0].photo_id, records[1].photo_id, "near")])
    arguments = [
        "--manifest",
        str(tmp_path / "m.csv"),
        "--out",
        str(out),
        "--seed",
        "3",
        "--ties",
        str(tmp_path / "t.csv"),
    ]
    config = tmp_path / "train.yaml"
    config.write_text("data:\n  held_out_generators: [sdxl]\n")
    for options in (["--held-out-generator", "sdxl"], ["--config", str(config)]):
        result = CliRunner().invoke(app_of(main), [*arguments, *options])
        assert result.exit_code == 0, result.output
        splits = read_splits(out)
        out.unlink()
    assert {splits[one.photo_id].split for one in records if one.is_fake} == {"heldout"}
    assert splits[records[0].photo_id].split == splits[records[1].photo_id].split
    assert "fold 4" in result.output


def test_the_hash_follows_every_assignment_and_no_order():
    splits = [Split(photo_id="a", split="train", fold=0), Split(photo_id="b", split="test", fold=1)]
    moved = [splits[0], Split(photo_id="b", split="test", fold=2)]
    assert splits_hash(splits) == splits_hash(reversed(splits))
    assert splits_hash(splits) != splits_hash(moved)
