"""`make data` fills the folder from what there is, tells what is missing, and goes on where it stopped."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from src.data import build
from src.data.fetch import source_url
from src.data.layout import original_path, stored_path
from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import read_splits
from tests.data.builders import app_of, photo, shops
from tests.data.repositories import mirror
from tests.data.server import serving


class World:
    """Twelve photos whose files lie in a folder apart, and a manifest of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.there = folder / "there"
        self.raw = folder / "raw"
        self.records = [
            photo(self.there, n, fake=n % 2 == 0, source=f"s{n}", group=f"s{n}:0", repo_path=f"{n}.png")
            for n in range(12)
        ]
        self.write(self.records)

    def write(self, records: list[PhotoRecord]) -> None:
        self.records = records
        write_manifest(self.folder / "m.csv", records)

    def data(self, made: PhotoRecord) -> bytes:
        return original_path(made, self.there).read_bytes()

    def run(self, *options: str, shared: Path | None = None) -> Result:
        paths = {
            "--manifest": self.folder / "m.csv",
            "--raw": self.raw,
            "--splits": self.folder / "splits.csv",
            "--ties": self.folder / "none.csv",
            "--config": self.folder / "train.yaml",
            "--shared": shared or self.folder / "none",
        }
        arguments = [str(part) for pair in paths.items() for part in pair]
        return CliRunner().invoke(app_of(build.main), [*arguments, *options])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("mode", ["symbolic", "hard", "copy"])
def test_shared_folder_is_linked_and_splits_are_written(world: World, mode: str) -> None:
    result = world.run("--link", mode, shared=world.there)
    assert result.exit_code == 0, result.output
    for made in world.records:
        path = stored_path(made, world.raw)
        assert path.read_bytes() == stored_path(made, world.there).read_bytes()
        assert path.is_symlink() == (mode == "symbolic")
        assert (path.stat().st_ino == stored_path(made, world.there).stat().st_ino) == (mode != "copy")
    assert len(read_splits(world.folder / "splits.csv")) == 12


def test_hard_link_across_file_systems_becomes_a_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(build.os, "link", refuse)
    assert world.run("--link", "hard", shared=world.there).exit_code == 0
    assert stored_path(world.records[0], world.raw).is_file()


def test_link_to_a_photo_that_moved_away_is_renewed(world: World) -> None:
    target = stored_path(world.records[0], world.raw)
    target.parent.mkdir(parents=True)
    target.symlink_to(world.folder / "old.jpg")
    assert world.run(shared=world.there).exit_code == 0
    assert target.is_file()


def test_existing_splits_are_kept(world: World) -> None:
    world.run(shared=world.there)
    (world.folder / "splits.csv").write_text("mine")
    world.run(shared=world.there)
    assert (world.folder / "splits.csv").read_text() == "mine"


def test_originals_come_by_url_and_stored_forms_are_derived(world: World) -> None:
    with serving() as server:
        server.files = {source_url(made, ""): world.data(made) for made in world.records}
        result = world.run("--base-url", server.url)
    assert result.exit_code == 0, result.output
    for made in world.records:
        assert original_path(made, world.raw).read_bytes() == world.data(made)
        assert stored_path(made, world.raw).read_bytes() == stored_path(made, world.there).read_bytes()


def test_originals_come_from_mirrors(world: World) -> None:
    commit = mirror(world.folder, "owner/name", {made.repo_path: world.data(made) for made in world.records})
    world.write([made.model_copy(update={"commit": commit}) for made in world.records])
    result = world.run("--mirrors", str(world.folder), "--limit", "5")
    assert result.exit_code == 0, result.output
    assert len(list((world.raw / "originals").iterdir())) == len(list((world.raw / "images").iterdir())) == 5


def test_settings_name_mirrors_and_base_url(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        server.files = {source_url(made, ""): world.data(made) for made in world.records}
        monkeypatch.setenv("DETECTOR_DATA_BASE_URL", server.url)
        assert world.run("--limit", "3").exit_code == 0
    commit = mirror(world.folder, "owner/name", {made.repo_path: world.data(made) for made in world.records})
    world.write([made.model_copy(update={"commit": commit}) for made in world.records])
    monkeypatch.setenv("DETECTOR_DATA_MIRRORS", str(world.folder))
    assert world.run().exit_code == 0
    assert len(list((world.raw / "originals").iterdir())) == 12


def test_generators_of_the_training_config_are_held_out(world: World) -> None:
    (world.folder / "train.yaml").write_text("name: x\ndata: {raw: there, held_out_generators: [sdxl]}\n")
    assert world.run(shared=world.there).exit_code == 0
    splits = read_splits(world.folder / "splits.csv")
    assert {splits[made.photo_id].split for made in world.records if made.is_fake} == {"heldout"}
    assert world.run(shared=world.there).exit_code == 0


def test_splits_that_are_there_must_hold_out_what_the_config_names(world: World) -> None:
    assert world.run(shared=world.there).exit_code == 0
    (world.folder / "train.yaml").write_text("data: {held_out_generators: [sdxl]}")
    result = world.run(shared=world.there)
    assert result.exit_code == 2
    assert "sdxl (6 photos)" in result.output


@pytest.mark.parametrize("text", ["data: {held_out_generators: 3}", "data: [", "- a list"])
def test_config_that_cannot_be_read_is_exit_code_two(world: World, text: str) -> None:
    (world.folder / "train.yaml").write_text(text)
    result = world.run(shared=world.there)
    assert result.exit_code == 2
    assert "train.yaml" in result.output


def test_missing_rows_are_listed_and_the_exit_code_tells(world: World) -> None:
    with serving() as server:
        server.files = {source_url(made, ""): world.data(made) for made in world.records[2:]}
        result = world.run("--base-url", server.url)
    assert result.exit_code == 1
    assert "HTTP 404" in result.output
    assert world.records[0].photo_id in result.output
    assert len(list((world.raw / "images").iterdir())) == 10


def test_photo_without_any_file_is_missing_though_nothing_was_fetched(world: World) -> None:
    shutil.rmtree(world.there / "originals")
    stored_path(world.records[0], world.there).unlink()
    result = world.run(shared=world.there)
    assert result.exit_code == 1
    assert "neither original nor stored form" in result.output


def test_original_that_cannot_be_decoded_is_missing(world: World) -> None:
    made = world.records[0]
    original_path(made, world.raw).parent.mkdir(parents=True)
    original_path(made, world.raw).write_bytes(world.data(made)[:200])
    stored_path(made, world.there).unlink()
    result = world.run(shared=world.there)
    assert result.exit_code == 1
    assert "no stored form: corrupt_image" in result.output


def test_invalid_manifest_is_exit_code_two(world: World) -> None:
    (world.folder / "m.csv").write_text("nonsense\n")
    assert world.run().exit_code == 2
    world.write(shops(1, 1, fake=False))
    result = world.run()
    assert result.exit_code == 2
    assert "cannot deal" in result.output
