"""The service follows its model's name: swaps under load, bad models, a lost registry, shadow and canary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from src.inference.api import create_app
from src.inference.detector import Detector
from src.inference.service import Loader, load_detector
from src.registry import resolve
from src.utils.settings import Settings
from tests.support.memory_registry import MemoryRegistry
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings, serving
from tests.support.tiny_model import tiny_card, write_tiny_model

CHAMPION, CHALLENGER = "models:/photo-detector@champion", "models:/photo-detector@challenger"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> MemoryRegistry:
    memory = MemoryRegistry()
    monkeypatch.setattr(resolve, "open_reader", lambda _: memory)
    return memory


def model(folder: Path, version: str, **changes: Any) -> bytes:
    return write_tiny_model(folder / f"{version}.onnx", tiny_card(version=version, **changes)).read_bytes()


def model_without_numbers(folder: Path) -> bytes:
    """Sound on the zeros of the warm-up, no number on any picture."""
    path = write_tiny_model(folder / "odd.onnx", tiny_card(version="odd"))
    proto = onnx.load(path)
    stem = next(each for each in proto.graph.initializer if each.name == "stem")
    stem.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(stem) * np.float32(1e38), "stem"))
    head = next(each for each in proto.graph.initializer if each.name == "head")
    head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) * np.float32(1e37), "head"))
    onnx.save(proto, path)
    return path.read_bytes()


def settings_for(folder: Path, **changes: Any) -> Settings:
    followed = {"model_uri": CHAMPION, "model_poll_s": 0.02, "model_cache": folder / "cache"}
    return quiet_settings(folder / "no.onnx", **(followed | changes))


@asynccontextmanager
async def service(settings: Settings, loader: Loader = load_detector) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(settings, loader)) as client:
        yield client


async def predict(client: httpx.AsyncClient, seed: int) -> httpx.Response:
    return await client.post("/predict", files={"file": ("a.jpg", photo_bytes(seed, (48, 40)))})


async def version_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/health")).json()["model_version"])


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0.0)


async def until(check: Callable[[], Any]) -> None:
    """Poll a coroutine function until it says yes."""
    async with asyncio.timeout(60):
        while not await check():  # noqa: ASYNC110 - what is waited for happens in threads
            await asyncio.sleep(0.01)


def changes_of(role: str, outcome: str) -> str:
    return f'detector_model_changes_total{{outcome="{outcome}",role="{role}"}}'


def test_swap_and_rollback_under_load_fail_no_request(registry: MemoryRegistry, tmp_path: Path) -> None:
    registry.add(model(tmp_path, "1.0.0"))
    registry.add(model(tmp_path, "2.0.0"))
    registry.aliases["champion"] = 1

    async def scenario() -> None:
        done = False
        replies: list[httpx.Response] = []

        async def customer(number: int) -> None:
            seed = number
            while not done:
                replies.append(await predict(client, seed))
                seed += 10

        async with service(settings_for(tmp_path)) as client:
            customers = [asyncio.create_task(customer(number)) for number in range(4)]
            for alias, version in ((2, "2.0.0"), (1, "1.0.0"), (2, "2.0.0")):
                served = len(replies)
                await until(lambda goal=served: asyncio.sleep(0, len(replies) > goal + 4))
                registry.aliases["champion"] = alias
                await until(lambda goal=version: is_served(client, goal))
            done = True
            await asyncio.gather(*customers)
            assert await metric(client, changes_of("champion", "swapped")) == 3
            last = await predict(client, 9999)
        assert {reply.status_code for reply in replies} == {200}
        assert {reply.json()["model_version"] for reply in replies} == {"1.0.0", "2.0.0"}
        assert last.json()["model_version"] == "2.0.0"

    asyncio.run(scenario())


async def is_served(client: httpx.AsyncClient, version: str) -> bool:
    return await version_of(client) == version


def test_bad_models_never_replace_the_good_one_and_are_tried_once(
    registry: MemoryRegistry, tmp_path: Path
) -> None:
    registry.add(model(tmp_path, "1.0.0"))
    few = {"balanced": tiny_card().policies["balanced"]}
    bad = [
        registry.add(b"no model at all"),
        registry.add(model(tmp_path, "2.0.0"), digest="0" * 64),
        registry.add(model(tmp_path, "3.0.0", policies=few)),
        registry.add(model_without_numbers(tmp_path)),
    ]
    good = registry.add(model(tmp_path, "9.0.0"))
    registry.aliases["champion"] = 1

    async def scenario() -> None:
        async with service(settings_for(tmp_path)) as client:
            for count, number in enumerate(bad, 1):
                registry.aliases["champion"] = number
                await until(lambda goal=count: refused(client, goal))
                await asyncio.sleep(0.1)  # several more looks
                assert await refused(client, count), "it was tried again"
                assert (await predict(client, number)).json()["model_version"] == "1.0.0"
            assert [registry.downloads.count(number) for number in bad] == [1, 1, 1, 1]
            registry.aliases["champion"] = good
            await until(lambda: is_served(client, "9.0.0"))
            assert (await predict(client, 1)).json()["model_version"] == "9.0.0"

    asyncio.run(scenario())


async def refused(client: httpx.AsyncClient, count: int) -> bool:
    return await metric(client, changes_of("champion", "refused")) == count


def test_a_lost_registry_changes_nothing_not_even_a_start(registry: MemoryRegistry, tmp_path: Path) -> None:
    registry.add(model(tmp_path, "1.0.0"))
    registry.aliases["champion"] = 1

    async def scenario() -> None:
        async with service(settings_for(tmp_path)) as client:
            registry.away = True
            await until(lambda: counted(client, changes_of("champion", "unreachable")))
            assert (await predict(client, 1)).status_code == 200
        async with service(settings_for(tmp_path)) as client:
            assert (await predict(client, 1)).json()["model_version"] == "1.0.0"
            assert registry.downloads == [1]
            registry.add(model(tmp_path, "2.0.0"))
            registry.away, registry.aliases["champion"] = False, 2
            await until(lambda: is_served(client, "2.0.0"))
            del registry.aliases["champion"]
            await until(lambda: counted(client, changes_of("champion", "gone")))
            assert await is_served(client, "2.0.0")
        registry.away = True
        async with service(settings_for(tmp_path, model_cache=tmp_path / "empty")) as client:
            assert (await client.get("/readyz")).status_code == 503

    asyncio.run(scenario())


async def counted(client: httpx.AsyncClient, name: str, least: int = 1) -> bool:
    return await metric(client, name) >= least


def test_a_plain_file_is_followed_too(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "served.onnx", tiny_card(version="1.0.0"))

    async def scenario() -> None:
        async with service(settings_for(tmp_path, model_uri=str(path))) as client:
            assert await is_served(client, "1.0.0")
            write_tiny_model(tmp_path / "new.onnx", tiny_card(version="2.0.0")).replace(path)
            await until(lambda: is_served(client, "2.0.0"))

    asyncio.run(scenario())


def trial(folder: Path, **changes: Any) -> Settings:
    return settings_for(folder, challenger_uri=CHALLENGER, cache_entries=0, **changes)


def two_models(registry: MemoryRegistry, folder: Path, **changes: Any) -> None:
    registry.add(model(folder, "1.0.0"))
    registry.add(model(folder, "2.0.0", **changes))
    registry.aliases |= {"champion": 1, "challenger": 2}


SHADOW_RUNS = 'detector_model_registry_version{role="challenger"}'


@pytest.mark.parametrize("views", [{}, {"views": tiny_card().views.model_copy(update={"crops": 0})}])
def test_shadow_compares_and_is_never_in_the_reply(
    registry: MemoryRegistry, tmp_path: Path, views: dict[str, Any]
) -> None:
    bias = tiny_card().calibration.model_copy(update={"bias": 3.0})
    two_models(registry, tmp_path, calibration=bias, **views)

    async def scenario() -> None:
        async with service(trial(tmp_path)) as client:
            await until(lambda: counted(client, SHADOW_RUNS, 2))
            for seed in range(6):
                reply = await predict(client, seed)
                assert reply.json()["model_version"] == "1.0.0"
                await until(lambda goal=seed: counted(client, "detector_shadow_difference_count", goal + 1))
            agree = await metric(client, 'detector_shadow_total{outcome="agree"}')
            differ = await metric(client, 'detector_shadow_total{outcome="differ"}')
            assert agree + differ == 6
            below = 'detector_shadow_difference_bucket{le="0.0"}'
            assert (
                await metric(client, below),
                await metric(client, "detector_shadow_difference_count"),
            ) == (0, 6)
            # The trial ends with the alias.
            del registry.aliases["challenger"]
            await until(lambda: counted(client, changes_of("challenger", "gone")))
            await predict(client, 99)
            assert await metric(client, 'detector_answers_by_model_total{role="champion"}') == 7

    asyncio.run(scenario())


class Faulty:
    """A challenger that passes its tests and fails on photos; `calls` counts them."""

    def __init__(self, detector: Detector, *, sound: int) -> None:
        self._detector, self._sound, self.calls = detector, sound, 0
        self.card = detector.card
        self.prepare = detector.prepare

    def judge(self, items: Any, policies: Any) -> Any:
        self.calls += 1
        if self.calls > self._sound:
            raise ZeroDivisionError
        return self._detector.judge(items, policies)


def faulty_challenger(settings: Settings) -> Any:
    detector = load_detector(settings)
    if detector.card.version != "2.0.0":
        return detector
    assert isinstance(detector, Detector)
    return Faulty(detector, sound=len(detector.card.policies))


def test_failing_shadow_reaches_no_client(registry: MemoryRegistry, tmp_path: Path) -> None:
    two_models(registry, tmp_path)

    async def scenario() -> None:
        async with service(trial(tmp_path), faulty_challenger) as client:
            await until(lambda: counted(client, SHADOW_RUNS, 2))
            replies = [await predict(client, seed) for seed in range(3)]
            assert {reply.status_code for reply in replies} == {200}
            await until(lambda: counted(client, 'detector_shadow_total{outcome="failed"}', 3))

    asyncio.run(scenario())


def test_canary_answers_its_share_the_same_photo_always_by_the_same_model(
    registry: MemoryRegistry, tmp_path: Path
) -> None:
    two_models(registry, tmp_path)

    async def scenario() -> None:
        async with service(trial(tmp_path, canary_share=0.4)) as client:
            others = count(1000)

            async def canary_answers() -> bool:
                return (await predict(client, next(others))).json()["model_version"] == "2.0.0"

            await until(canary_answers)
            answers = 'detector_answers_by_model_total{role="challenger"}'
            before = await metric(client, answers)
            first, again = [
                [(await predict(client, seed)).json()["model_version"] for seed in range(50)]
                for _ in range(2)
            ]
            assert first == again
            assert 8 <= first.count("2.0.0") <= 32  # 20 of 50 expected; six standard deviations are 21
            share = first.count("2.0.0") * 2
            assert await metric(client, answers) == before + share

    asyncio.run(scenario())


def test_a_canary_that_fails_is_retired_and_its_photos_are_answered(
    registry: MemoryRegistry, tmp_path: Path
) -> None:
    two_models(registry, tmp_path)

    async def scenario() -> None:
        async with service(trial(tmp_path, canary_share=1.0), faulty_challenger) as client:
            await until(lambda: counted(client, SHADOW_RUNS, 2))
            for seed in range(3):
                reply = await predict(client, seed)
                assert (reply.status_code, reply.json()["model_version"]) == (200, "1.0.0")
            assert await metric(client, changes_of("challenger", "refused")) == 1

    asyncio.run(scenario())
