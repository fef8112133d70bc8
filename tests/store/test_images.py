"""Photos kept for review: only when told to, within a bound, gone when expired or deleted."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from src.store.images import ImageFolder
from src.store.records import new_id
from src.utils.errors import IdempotencyConflict
from tests.store.builders import a_claim, a_record
from tests.store.conftest import OpenStore

PHOTO = b"\xff\xd8 as it came"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*/*")]


def test_photos_are_not_kept_unless_told(sqlite_url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store, record = opened(sqlite_url), a_record()
        await store.record(record, PHOTO)
        assert not store.keeps_images
        assert await store.photo(record.id) is None
        found = await store.prediction(record.id)
        assert found is not None
        assert not found.record.has_image

    asyncio.run(scenario())


def test_photo_comes_back_as_it_came_and_goes_with_its_prediction(
    url: str, opened: OpenStore, folder: Path
) -> None:
    async def scenario() -> None:
        store, record = opened(url, images_dir=folder), a_record()
        await store.record(record, PHOTO)
        assert await store.photo(record.id) == PHOTO
        found = await store.prediction(record.id)
        assert found is not None
        assert found.record.has_image
        await store.delete(record.id)
        assert await store.photo(record.id) is None
        assert files(folder) == []

    asyncio.run(scenario())


def test_photo_of_a_record_that_was_not_kept_is_not_kept_either(
    sqlite_url: str, opened: OpenStore, folder: Path
) -> None:
    async def scenario() -> None:
        store, first = opened(sqlite_url, images_dir=folder), a_record()
        await store.record_once(first, a_claim(b"one"), PHOTO)
        await store.record_once(a_record(), a_claim(b"one"), PHOTO)
        with pytest.raises(IdempotencyConflict):
            await store.record_once(a_record(), a_claim(b"two"), PHOTO)
        assert files(folder) == [first.id]

    asyncio.run(scenario())


def test_photo_of_a_lost_record_is_dropped(opened: OpenStore, folder: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "in-the-way.db").mkdir()
        store = opened(f"sqlite:///{tmp_path}/in-the-way.db", images_dir=folder, spool_bytes=0)
        assert await store.record(a_record(), PHOTO) is False
        assert store.stats().lost == 1
        assert files(folder) == []

    asyncio.run(scenario())


def test_disk_that_fails_costs_the_photo_and_not_the_record(
    sqlite_url: str, opened: OpenStore, folder: Path
) -> None:
    async def scenario() -> None:
        store, record = opened(sqlite_url, images_dir=folder), a_record()
        shutil.rmtree(folder)
        with structlog.testing.capture_logs() as logs:
            assert await store.record(record, PHOTO)
        assert [line["event"] for line in logs] == ["photo_not_kept"]
        found = await store.prediction(record.id)
        assert found is not None
        assert not found.record.has_image

    asyncio.run(scenario())


def test_bound_holds_and_frees_what_is_removed(folder: Path) -> None:
    images = ImageFolder(folder, days=30, max_bytes=25)
    first, second = new_id(), new_id()
    assert images.put(first, b"x" * 20)
    assert not images.put(second, b"x" * 10)
    # What lies there already counts after a restart.
    assert not ImageFolder(folder, days=30, max_bytes=25).put(second, b"x" * 10)
    images.remove(first)
    images.remove(first)
    assert images.put(second, b"x" * 10)


def test_other_users_of_the_machine_cannot_read_photos(folder: Path) -> None:
    ImageFolder(folder, days=30, max_bytes=100).put(new_id(), PHOTO)
    (path,) = folder.glob("*/*")
    for place, mode in ((path, 0o600), (path.parent, 0o700), (folder, 0o700)):
        assert stat.S_IMODE(place.stat().st_mode) == mode


def test_expiry_goes_by_the_id_and_not_by_the_files_date(folder: Path) -> None:
    images = ImageFolder(folder, days=30, max_bytes=100)
    now = datetime.now(UTC)
    old = f"{int((now - timedelta(days=31)).timestamp() * 1000):012x}" + new_id()[12:]
    young = f"{int((now - timedelta(days=29)).timestamp() * 1000):012x}" + new_id()[12:]
    for name in (old, young):
        images.put(name, b"x" * 50)
        os.utime(folder / name[:6] / name, (0, 0))
    (folder / "lost+found").mkdir()
    images.expire(now)
    assert (folder / "lost+found").is_dir()
    assert (images.get(old), images.get(young)) == (None, b"x" * 50)
    assert images.put(new_id(), b"x" * 50)
