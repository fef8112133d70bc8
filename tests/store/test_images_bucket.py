"""Photos in a bucket: what holds for a folder, and a bucket that is slow, away or unknown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from src.store import images_desk
from src.store.images import ImageFolder
from src.store.images_bucket import ImageBucket, open_images
from src.store.images_desk import ImageDesk
from src.store.records import new_id
from src.utils.errors import ConfigError, StoreError
from tests.store.builders import a_record
from tests.store.conftest import OpenStore

PHOTO = b"\xff\xd8 as it came"
PLACE = "memory://photos/kept"


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    MemoryFileSystem.store.clear()
    yield
    MemoryFileSystem.store.clear()


def kept() -> list[str]:
    return sorted(str(path) for path in MemoryFileSystem.store)


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def bucket(max_bytes: int = 1000) -> ImageBucket:
    found = ImageBucket(PLACE, days=30, max_bytes=max_bytes)
    until(lambda: not found._sweeping.locked())
    return found


def test_a_photo_is_kept_under_its_prediction_and_removed() -> None:
    images, name = bucket(), new_id()
    assert images.put(name, PHOTO)
    assert kept() == [f"/photos/kept/{name[:6]}/{name}"]
    assert images.get(name) == PHOTO
    assert images.remove(name)
    assert (images.get(name), images.remove(name), kept()) == (None, False, [])


def test_the_bound_counts_what_was_kept_before_and_what_was_removed() -> None:
    first, second, third = new_id(), new_id(), new_id()
    assert bucket(25).put(first, b"x" * 20)
    images = bucket(25)
    assert not images.put(second, b"x" * 10)
    images.remove(first)
    assert images.put(third, b"x" * 10)


def test_what_is_old_expires_and_what_is_not_ours_stays() -> None:
    images = bucket()
    old = f"{int((datetime.now(UTC) - timedelta(days=31)).timestamp() * 1000):012x}" + "0" * 20
    young = new_id()
    for name in (old, young):
        images.put(name, PHOTO)
    MemoryFileSystem.store["/photos/kept/readme"] = MemoryFileSystem.store[kept()[0]]
    images.expire(datetime.now(UTC))
    until(lambda: images.get(old) is None)
    assert images.get(young) == PHOTO
    assert "/photos/kept/readme" in kept()
    assert len(kept()) == 2


def test_nothing_to_expire_is_no_failure() -> None:
    images = bucket()
    images.expire(datetime.now(UTC))
    until(lambda: not images._sweeping.locked())
    assert images.put(new_id(), PHOTO)


def test_whatever_a_bucket_raises_becomes_the_error_of_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    class LibraryError(Exception):
        pass

    def fail(*_: object, **__: object) -> None:
        raise LibraryError("https://secret.example")

    images, name = bucket(25), new_id()
    images.put(name, PHOTO)
    for method in ("pipe_file", "cat_file", "info", "ls", "du"):
        monkeypatch.setattr(MemoryFileSystem, method, fail)
    for call in (
        lambda: images.put(new_id(), b"x"),
        lambda: images.get(name),
        lambda: images.remove(name),
    ):
        with pytest.raises(OSError, match="LibraryError") as caught:
            call()
        assert "secret" not in str(caught.value)
    images.expire(datetime.now(UTC))
    until(lambda: not images._sweeping.locked())
    monkeypatch.undo()
    assert images.put(new_id(), b"x" * (25 - len(PHOTO)))  # what failed takes no room


def test_places_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    for place in (folder, str(folder), folder.as_uri()):
        images = open_images(place, days=1, max_bytes=100)
        assert isinstance(images, ImageFolder)
        name = new_id()
        images.put(name, PHOTO)
        assert (folder / name[:6] / name).read_bytes() == PHOTO
    assert isinstance(open_images(PLACE, days=1, max_bytes=100), ImageBucket)
    with pytest.raises(ConfigError, match="nowhere"):
        open_images("nowhere://photos", days=1, max_bytes=100)


def test_a_bucket_without_its_library_is_a_setting_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(ConfigError, match="extra `bucket`"):
        open_images("gs://photos", days=1, max_bytes=100)


def test_a_store_keeps_its_photos_in_a_bucket(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store, record = opened(url, images_dir=PLACE), a_record()
        assert store.keeps_images
        await store.record(record, PHOTO)
        assert await store.photo(record.id) == PHOTO
        assert await store.delete(record.id)
        assert await store.photo(record.id) is None
        assert kept() == []

    asyncio.run(scenario())


def test_a_bucket_that_is_away_costs_the_photo_and_not_the_record(
    sqlite_url: str, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        store, first, second = opened(sqlite_url, images_dir=PLACE), a_record(), a_record()
        await store.record(first, PHOTO)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError

        for method in ("pipe_file", "cat_file", "info"):
            monkeypatch.setattr(MemoryFileSystem, method, fail)
        assert await store.record(second, PHOTO)
        found = await store.prediction(second.id)
        assert found is not None
        assert not found.record.has_image
        with pytest.raises(StoreError):
            await store.photo(first.id)
        with pytest.raises(StoreError, match="ask again"):
            await store.delete(first.id)
        monkeypatch.undo()
        assert await store.delete(first.id)  # asked again: the photo was still there
        assert kept() == []
        assert not await store.delete(first.id)

    asyncio.run(scenario())


class SlowImages:
    """Keeps photos only when it is told to go on."""

    def __init__(self) -> None:
        import threading

        self.go_on = threading.Event()
        self.kept: dict[str, bytes] = {}

    def put(self, prediction_id: str, photo: bytes) -> bool:
        assert self.go_on.wait(20)
        self.kept[prediction_id] = photo
        return True

    def get(self, prediction_id: str) -> bytes | None:
        return self.kept.get(prediction_id)

    def remove(self, prediction_id: str) -> bool:
        return self.kept.pop(prediction_id, None) is not None

    def expire(self, moment: datetime) -> None:
        raise NotImplementedError


def test_a_photo_that_comes_too_late_is_removed_again() -> None:
    images = SlowImages()
    desk = ImageDesk(images, put_timeout_s=0.05)

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await desk.put("a", PHOTO)

    asyncio.run(scenario())
    images.go_on.set()
    desk.close()
    assert images.kept == {}


def test_photos_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_desk, "_MOST_WAITING", 2)
    images = SlowImages()
    desk = ImageDesk(images, put_timeout_s=60)

    async def scenario() -> None:
        begun = [asyncio.ensure_future(desk.put(name, PHOTO)) for name in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError, match="too many"):
            await desk.put("c", PHOTO)
        images.go_on.set()
        assert await asyncio.gather(*begun) == [True, True]
        assert await desk.put("d", PHOTO)

    asyncio.run(scenario())
    desk.close()
    assert sorted(images.kept) == ["a", "b", "d"]
