"""What `/predict` keeps and repeats: records, provenance, cache, idempotency keys, a store that is away."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from src.inference.api import create_app
from src.inference.detector import Detector
from src.store.records import Outcome, new_id
from src.utils.settings import Settings
from tests.support.pictures import photo_bytes
from tests.support.service import Client, GatedDetector, quiet_settings, running, serving
from tests.support.tiny_model import tiny_card, write_tiny_model

PHOTO = photo_bytes(1, (120, 90))


def with_store(model: Path, folder: Path, **changes: Any) -> Settings:
    fields = {"store_url": f"sqlite:///{folder}/detector.db", "spool_dir": folder / "spool"}
    return quiet_settings(model, **(fields | changes))


@pytest.fixture
def kept(model_path: Path, tmp_path: Path) -> Iterator[Client]:
    with running(with_store(model_path, tmp_path)) as client:
        yield client


def generated_png() -> bytes:
    """A blue picture, "real" to the tiny model, whose file says that Stable Diffusion made it."""
    texts = PngInfo()
    texts.add_text(
        "parameters", "a red shoe on white\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    )
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), (40, 90, 230)).save(stream, "PNG", pnginfo=texts)
    return stream.getvalue()


def test_prediction_can_be_read_by_its_id(kept: Client) -> None:
    reply = kept.predict(PHOTO)
    body = reply.json()
    assert body["stored"] is True
    found = kept.get(f"/predictions/{body['id']}").json()["prediction"]
    for name in ("id", "label", "probability", "threshold", "policy", "model_version", "timings_ms"):
        assert found[name] == body[name]
    facts = {"format": "JPEG", "width": 120, "height": 90, "bytes": len(PHOTO), "quality": 75}
    assert found["facts"] == facts
    assert found["evidence"]["provenance"] == body["provenance"]


def test_each_request_is_a_prediction_of_its_own(kept: Client) -> None:
    assert kept.predict(PHOTO).json()["id"] != kept.predict(PHOTO).json()["id"]


def test_refused_photo_leaves_nothing(kept: Client) -> None:
    assert kept.predict(b"text").status_code == 415
    assert kept.predict(PHOTO[:200]).status_code == 422
    assert kept.get("/review").json()["items"] == []


def test_what_the_file_says_stands_beside_the_verdict_by_pixels(kept: Client) -> None:
    body = kept.predict(generated_png()).json()
    assert (body["label"], body["needs_review"]) == ("real", False)
    provenance = body["provenance"]
    assert (provenance["label"], provenance["basis"]) == ("real", "pixels_against_provenance")
    assert provenance["needs_review"] is True
    assert [signal["kind"] for signal in provenance["signals"]] == ["generator_parameters"]
    # It is in the queue all the same: a person should look.
    (waiting,) = kept.get("/review").json()["items"]
    assert waiting["id"] == body["id"]


def test_silent_file_has_no_signals(kept: Client) -> None:
    provenance = kept.predict(PHOTO).json()["provenance"]
    assert (provenance["signals"], provenance["basis"]) == ([], "pixels")


def test_photos_are_not_kept_unless_told_and_then_only_those_for_review(
    model_path: Path, tmp_path: Path, kept: Client
) -> None:
    doubtful = generated_png()
    assert kept.get(f"/predictions/{kept.predict(doubtful).json()['id']}/image").status_code == 404
    folder = tmp_path / "again"
    folder.mkdir()
    with running(with_store(model_path, folder, store_images=folder / "images")) as client:
        seen = client.get(f"/predictions/{client.predict(doubtful).json()['id']}/image")
        assert (seen.status_code, seen.content) == (200, doubtful)
        assert client.get(f"/predictions/{client.predict(PHOTO).json()['id']}/image").status_code == 404


class Counting:
    """A detector that counts how many photos it prepared."""

    def __init__(self, detector: Detector) -> None:
        self.card, self._detector = detector.card, detector
        self.judge = detector.judge
        self.prepared = 0

    def prepare(self, photo: bytes) -> Any:
        self.prepared += 1
        return self._detector.prepare(photo)


def comparable(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    return {name: value for name, value in body.items() if name not in {"id", "timings_ms", "request_id"}}


def test_same_bytes_are_judged_once_and_answered_alike(model_path: Path, detector: Detector) -> None:
    counting = Counting(detector)
    with running(quiet_settings(model_path, cache_entries=2), lambda _: counting) as client:
        first, second = client.predict(PHOTO), client.predict(PHOTO)
        assert counting.prepared == 1
        assert [reply.headers["x-answer-source"] for reply in (first, second)] == ["scorer", "cache"]
        assert comparable(first) == comparable(second)
        assert set(second.json()["timings_ms"]) == set(first.json()["timings_ms"])
        client.predict(PHOTO, "/predict?policy=high_recall")
        assert counting.prepared == 2
        client.predict(photo_bytes(2))
        client.predict(PHOTO)  # asked for longest ago, so it had to go
        assert counting.prepared == 4
        assert client.predict(b"text").status_code == 415
        assert client.predict(b"text").status_code == 415


def test_no_cache_when_told(model_path: Path, detector: Detector) -> None:
    counting = Counting(detector)
    with running(quiet_settings(model_path, cache_entries=0), lambda _: counting) as client:
        client.predict(PHOTO)
        client.predict(PHOTO)
    assert counting.prepared == 2


def post(client: Client, photo: bytes, key: str, url: str = "/predict") -> httpx.Response:
    return client.predict(photo, url, headers={"Idempotency-Key": key})


def test_repeated_request_gets_the_first_answer(kept: Client) -> None:
    first = post(kept, generated_png(), "order-1", "/predict?explain=true")
    again = post(kept, generated_png(), "order-1", "/predict?explain=true")
    assert [reply.headers["x-answer-source"] for reply in (first, again)] == ["scorer", "replay"]
    assert first.json() | {"request_id": ""} == again.json() | {"request_id": ""}
    assert again.json()["request_id"] == again.headers["x-request-id"]
    assert post(kept, generated_png(), "order-2").json()["id"] != first.json()["id"]
    assert len(kept.get("/review").json()["items"]) == 2


def test_key_used_for_another_photo_or_policy_is_a_conflict(kept: Client) -> None:
    post(kept, PHOTO, "order-1")
    for reply in (
        post(kept, photo_bytes(2), "order-1"),
        post(kept, PHOTO, "order-1", "/predict?policy=high_recall"),
    ):
        assert (reply.status_code, reply.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "é".encode("latin-1")])
def test_odd_idempotency_keys_are_refused(kept: Client, key: str | bytes) -> None:
    reply = kept.predict(PHOTO, headers={"Idempotency-Key": key})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")


def test_twins_in_flight_get_one_answer(model_path: Path, tmp_path: Path, detection: Any) -> None:
    gated = GatedDetector(detection)

    async def scenario() -> None:
        async with serving(create_app(with_store(model_path, tmp_path), lambda _: gated)) as client:
            send = {"files": {"file": ("a.jpg", PHOTO)}, "headers": {"Idempotency-Key": "twin"}}
            twins = [asyncio.create_task(client.post("/predict", **send)) for _ in range(2)]
            for _ in twins:
                assert await asyncio.to_thread(gated.begun.acquire, timeout=60)
            gated.gate.set()
            first, second = await asyncio.gather(*twins)
            assert first.json()["id"] == second.json()["id"]

    asyncio.run(scenario())


def test_twin_whose_record_was_deleted_is_not_said_to_be_stored(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        app = create_app(with_store(model_path, tmp_path))
        async with serving(app) as client:
            store = app.state.service.store
            record_once = store.record_once

            async def twin_was_quicker_and_is_gone(record: Any, claim: Any, photo: Any = None) -> Any:
                await record_once(record, claim, photo)
                assert await store.delete(record.id)
                return Outcome(stored=True, prediction_id=record.id)

            async def elsewhere(record: Any, claim: Any, photo: Any = None) -> Any:
                return await twin_was_quicker_and_is_gone(record.model_copy(update={"id": new_id()}), claim)

            monkeypatch.setattr(store, "record_once", elsewhere)
            files, headers = {"file": ("a.jpg", PHOTO)}, {"Idempotency-Key": "twin"}
            body = (await client.post("/predict", files=files, headers=headers)).json()
            assert body["stored"] is False
            assert (await client.get(f"/predictions/{body['id']}")).status_code == 404
            page = (await client.get("/metrics")).text
            assert 'detector_predictions_recorded_total{outcome="not_stored"} 1.0' in page

    asyncio.run(scenario())


def test_photo_is_finished_by_the_model_whose_policy_it_was_asked_for(
    model_path: Path, detection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renamed(GatedDetector):
        """Its policies have other names."""

        @property
        def card(self) -> Any:
            old = tiny_card()
            policies = {f"new_{name}": policy for name, policy in old.policies.items()}
            return old.model_copy(
                update={
                    "policies": policies,
                    "default_policy": f"new_{old.default_policy}",
                    "version": "0.0.2",
                }
            )

    old, new = GatedDetector(detection), Renamed(detection)
    new.gate.set()
    detectors: list[Any] = [old, new]

    async def scenario() -> None:
        settings = quiet_settings(model_path, workers=1, queue_size=1, max_batch_files=8)
        app = create_app(settings, lambda _: detectors.pop(0))
        async with serving(app) as client:
            service = app.state.service
            photos = [("files", ("a.jpg", photo_bytes(seed))) for seed in range(4)]
            batch = asyncio.create_task(client.post("/predict/batch", files=photos))
            assert await asyncio.to_thread(old.begun.acquire, timeout=60)
            await service.reload()
            old.gate.set()
            items = (await batch).json()["items"]
            assert [item.get("error") for item in items] == [None] * 4

    asyncio.run(scenario())


def test_service_without_a_store_answers_and_says_that_nothing_is_kept(client: Client) -> None:
    body = post(client, PHOTO, "order-1").json()
    assert body["stored"] is False
    missing = client.get(f"/predictions/{body['id']}")
    assert (missing.status_code, missing.json()["code"]) == (503, "store_unavailable")


def test_store_that_is_away_is_marked_counted_and_spooled(model_path: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://detector@127.0.0.1:{closed.getsockname()[1]}/detector"
        with running(with_store(model_path, tmp_path, store_url=url)) as client:
            reply = post(client, PHOTO, "order-1")
            assert (reply.status_code, reply.json()["stored"]) == (200, False)
            assert client.get("/readyz").status_code == 200
            page = client.get("/metrics").text
            assert client.get("/review").status_code == 503
    assert "detector_store_up 0.0" in page
    assert "detector_store_spool_records 1.0" in page
    assert 'detector_predictions_recorded_total{outcome="not_stored"} 1.0' in page


def test_reload_serves_the_new_model_and_forgets_old_answers(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "model.onnx")
    with running(quiet_settings(path)) as client:
        assert client.get("/model").json()["version"] == "0.0.1"
        client.predict(PHOTO)
        write_tiny_model(path, tiny_card(version="0.0.2"))
        assert client.predict(PHOTO).json()["model_version"] == "0.0.1"
        assert client.post("/model/reload").json()["version"] == "0.0.2"
        reply = client.predict(PHOTO)
        assert (reply.json()["model_version"], reply.headers["x-answer-source"]) == ("0.0.2", "scorer")
        assert 'detector_model_info{architecture="tiny_conv",name="tiny",version="0.0.2"} 1.0' in (
            client.get("/metrics").text
        )


def test_corrupt_model_at_reload_leaves_the_old_one_in_service(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "model.onnx")
    with running(quiet_settings(path)) as client:
        path.write_bytes(path.read_bytes()[:500])
        refused = client.post("/model/reload")
        assert (refused.status_code, refused.json()["code"]) == (422, "model_invalid")
        assert client.get("/readyz").status_code == 200
        assert client.predict(PHOTO).json()["model_version"] == "0.0.1"


def test_embedding_is_kept_in_half_precision(model_path: Path, tmp_path: Path, detector: Detector) -> None:
    async def scenario() -> None:
        app = create_app(with_store(model_path, tmp_path))
        async with serving(app) as client:
            reply = await client.post("/predict", files={"file": ("a.jpg", PHOTO)})
            found = await app.state.service.store.prediction(reply.json()["id"])
            kept = np.frombuffer(found.record.embedding, "<f2").astype(np.float32)
            np.testing.assert_allclose(kept, detector.detect(PHOTO).embedding, atol=2e-3)

    asyncio.run(scenario())
