"""`stability=true`: five more looks at a photo, by the same scorer, in the same time, for whoever asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.inference.api import create_app
from src.inference.detector import Detector
from src.inference.stability import VARIANTS
from src.utils.model_card import ViewPlan
from tests.inference.test_api import BLUE, RED, assert_problem
from tests.inference.test_keeping import Counting, with_store
from tests.support.pictures import encode
from tests.support.service import Client, quiet_settings, running, serving
from tests.support.tiny_model import tiny_card, write_tiny_model

ASKED = "/predict?stability=true"
FILES = {"file": ("a.jpg", BLUE, "image/jpeg")}


def fragile_photo() -> bytes:
    """The finest detail is blue and is gone at half the size; what is left of detail is red."""
    pixels = np.zeros((640, 640, 3), np.uint8)
    fine = (np.indices((640, 320)).sum(axis=0) % 2).astype(bool)
    pixels[:, :320] = np.where(fine[..., None], (80, 120, 255), (0, 60, 200))
    coarse = (np.arange(320) // 16 % 2).astype(bool)
    pixels[:, 320:] = np.where(coarse[None, :, None], (230, 90, 40), (200, 60, 10))
    return encode(Image.fromarray(pixels), "PNG")


@pytest.fixture(scope="module")
def close_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks at the most detailed spot alone."""
    views = ViewPlan(max_side=1024, global_sizes=(64,), crop_size=32, crops=1, global_weight=0.0)
    return write_tiny_model(tmp_path_factory.mktemp("close") / "tiny.onnx", tiny_card(views=views))


@pytest.fixture
def kept(close_model: Path, tmp_path: Path) -> Iterator[Client]:
    with running(with_store(close_model, tmp_path)) as client:
        yield client


def test_a_plain_photo_holds_in_every_form(client: Client) -> None:
    body = client.predict(RED, ASKED).json()
    stability = body["evidence"]["stability"]
    assert set(stability["probabilities"]) == set(VARIANTS)
    assert stability["flips"] is False
    assert stability["score"] > 0.97
    assert "heatmap" not in body["evidence"]


def test_nobody_pays_for_what_was_not_asked(model_path: Path) -> None:
    counting = Counting(Detector.from_file(model_path, threads=1))
    with running(quiet_settings(model_path), lambda _: counting) as client:
        assert "evidence" not in client.predict(BLUE).json()
        assert counting.prepared == 1
        asked = client.predict(BLUE, ASKED)
        # The verdict was known, how it holds was not.
        assert counting.prepared == 1 + len(VARIANTS)
        assert asked.headers["x-answer-source"] == "scorer"
        again = client.predict(BLUE, ASKED)
        assert again.headers["x-answer-source"] == "cache"
        assert again.json()["evidence"] == asked.json()["evidence"]
        assert "evidence" not in client.predict(BLUE).json()
        assert counting.prepared == 1 + len(VARIANTS)


def test_a_verdict_that_flips_waits_for_a_person(kept: Client) -> None:
    photo = fragile_photo()
    plain = kept.predict(photo).json()
    assert (plain["label"], plain["needs_review"]) == ("real", False)
    assert kept.get("/review").json()["items"] == []
    asked = kept.predict(photo, ASKED).json()
    assert asked["evidence"]["stability"]["flips"] is True
    assert (asked["label"], asked["probability"]) == (plain["label"], plain["probability"])
    assert asked["needs_review"] is True
    (waiting,) = kept.get("/review").json()["items"]
    assert waiting["id"] == asked["id"]
    assert waiting["evidence"]["stability"] == asked["evidence"]["stability"]
    # What one caller asked for is not another one's answer.
    assert kept.predict(photo).json()["needs_review"] is False


def test_a_repeated_key_gets_the_same_answer_and_another_question_is_a_conflict(kept: Client) -> None:
    named = {"headers": {"Idempotency-Key": "order-17"}}
    first = kept.predict(RED, ASKED, **named)
    again = kept.predict(RED, ASKED, **named)
    assert again.headers["x-answer-source"] == "replay"
    assert again.json()["evidence"] == first.json()["evidence"]
    assert_problem(kept.predict(RED, **named), 409, "idempotency_conflict")


def test_it_counts_as_six_photos_against_the_rate_limit(model_path: Path) -> None:
    with running(quiet_settings(model_path, rate_limit="8/minute")) as client:
        assert client.predict(RED, ASKED).status_code == 200
        assert_problem(client.predict(RED, ASKED), 429, "rate_limited")


def test_what_is_not_done_in_time_is_504_and_frees_its_place(model_path: Path) -> None:
    gate = threading.Event()

    class Late(Counting):
        def prepare(self, photo: Any) -> Any:
            prepared = super().prepare(photo)
            assert self.prepared == 1 or gate.wait(120), "nobody opened the gate"
            return prepared

    async def scenario() -> None:
        async with serving(app) as client:
            scorer = app.state.service.scorer
            scorer.deadline_s = 4.0
            assert_problem(await client.post(ASKED, files=FILES), 504, "deadline_exceeded")
            assert late.prepared == 2  # no further form was begun
            gate.set()
            async with asyncio.timeout(60):
                while scorer.pending:  # noqa: ASYNC110 - the scorer needs no event for this itself
                    await asyncio.sleep(0.01)
            scorer.deadline_s = 120.0
            assert (await client.post("/predict", files=FILES)).status_code == 200

    late = Late(Detector.from_file(model_path, threads=1))
    app = create_app(quiet_settings(model_path, workers=1, queue_size=2), lambda _: late)
    asyncio.run(scenario())


def test_forms_take_one_place_at_a_time(model_path: Path) -> None:
    most = 0

    class Watched(Counting):
        def prepare(self, photo: Any) -> Any:
            nonlocal most
            most = max(most, app.state.service.scorer.pending)
            return super().prepare(photo)

    async def scenario() -> None:
        async with serving(app) as client:
            assert (await client.post(ASKED, files=FILES)).status_code == 200

    watched = Watched(Detector.from_file(model_path, threads=1))
    app = create_app(quiet_settings(model_path), lambda _: watched)
    asyncio.run(scenario())
    assert watched.prepared == 1 + len(VARIANTS)
    assert most == 1
