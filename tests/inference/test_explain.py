"""`POST /explain`: verdict, grid and picture; bounded like every other work of the service."""

import asyncio
import threading
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.inference import overlay
from src.inference.api import create_app
from src.inference.painter import Painter
from src.utils.errors import CorruptImage, DeadlineError, OverloadedError
from src.utils.settings import Settings
from tests.support.pictures import encode, picture
from tests.support.service import Client, quiet_settings, running, serving

PHOTO = encode(picture(1, (160, 90)))
COLD = [[0.0] * 8 for _ in range(8)]


@pytest.fixture(scope="module")
def client(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(quiet_settings(model_path, **elsewhere(tmp_path_factory.mktemp("var")))) as client:
        yield client


def elsewhere(folder: Path) -> dict[str, Any]:
    """Settings that keep the service's own files out of the repository."""
    return {
        "store_url": f"sqlite:///{folder / 'detector.db'}",
        "spool_dir": folder / "spool",
    }


def explained(client: Client, photo: bytes = PHOTO, **options: Any) -> Any:
    return client.predict(photo, "/explain", **options)


def test_the_reply_holds_verdict_grid_and_picture(client: Client):
    reply = explained(client)
    assert reply.status_code == 200
    body = reply.json()
    assert body["label"] == ("ai_generated" if body["probability"] >= body["threshold"] else "real")
    assert len(body["heatmap"]) == 8
    assert {len(row) for row in body["heatmap"]} == {8}
    assert body["request_id"] == reply.headers["x-request-id"]
    with Image.open(BytesIO(b64decode(body["overlay"]))) as image:
        assert (image.format, image.size) == ("PNG", (160, 90))


def test_the_verdict_is_that_of_predict(client: Client):
    predicted = client.predict(PHOTO).json()
    body = explained(client).json()
    shared = ("label", "probability", "threshold", "policy", "model_version")
    assert {name: body[name] for name in shared} == {name: predicted[name] for name in shared}


def test_the_picture_alone_can_be_asked_for(client: Client):
    reply = explained(client, params={"format": "png"})
    assert reply.headers["content-type"] == "image/png"
    with Image.open(BytesIO(reply.content)) as image:
        assert image.size == (160, 90)


@pytest.mark.parametrize(
    ("photo", "params", "status", "code"),
    [
        (PHOTO[:400], {}, 422, "corrupt_image"),
        (b"no picture", {}, 415, "unsupported_format"),
        (PHOTO, {"format": "gif"}, 422, "invalid_request"),
        (PHOTO, {"policy": "no such policy"}, 422, "unknown_policy"),
    ],
)
def test_wrong_requests_are_problems(
    client: Client, photo: bytes, params: dict[str, str], status: int, code: str
):
    reply = explained(client, photo, params=params)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_the_description_offers_both_forms(client: Client):
    operation = client.get("/openapi.json").json()["paths"]["/explain"]["post"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "image/png"}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A painter's work that waits until the gate is opened."""
    opened = threading.Event()

    def wait(*_: object) -> bytes:
        assert opened.wait(120), "nobody opened the gate"
        return b"picture"

    monkeypatch.setattr(overlay, "overlay_png", wait)
    yield opened
    opened.set()


def settings_of(deadline_s: float = 120.0) -> Settings:
    return Settings(deadline_s=deadline_s)


def test_a_full_painter_refuses_and_is_free_again_when_done(gate: threading.Event):
    async def scene() -> None:
        painter = Painter(settings_of(), places=2)
        waiting = [asyncio.create_task(painter.paint(PHOTO, COLD)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await painter.paint(PHOTO, COLD)
        gate.set()
        assert await asyncio.gather(*waiting) == [b"picture"] * 2
        await asyncio.sleep(0)
        painter.check_room()
        painter.close()

    asyncio.run(scene())


def test_what_is_late_is_dropped_and_waiting_work_never_begins(gate: threading.Event):
    async def scene() -> None:
        painter = Painter(settings_of(deadline_s=0.05), places=2)
        for _ in range(2):
            with pytest.raises(DeadlineError):
                await painter.paint(PHOTO, COLD)
        gate.set()
        painter.close()

    asyncio.run(scene())


def test_the_upload_is_paid_for_until_the_picture_is_there(model_path: Path, gate: threading.Event):
    async def scene() -> None:
        app = create_app(quiet_settings(model_path))
        budget = app.state.service.budget
        async with serving(app) as client:
            waiting = asyncio.create_task(client.post("/explain", files={"file": PHOTO}))
            async with asyncio.timeout(20):
                while budget.held < len(PHOTO):  # noqa: ASYNC110 - a budget has no event
                    await asyncio.sleep(0.005)
            gate.set()
            assert (await waiting).status_code == 200
            assert budget.held == 0

    asyncio.run(scene())


def test_uploads_beyond_the_budget_are_refused(model_path: Path):
    body = PHOTO + b"\0" * (2 * 2**20)
    with running(quiet_settings(model_path, max_inflight_bytes=2**20)) as client:
        reply = explained(client, body)
    assert (reply.status_code, reply.json()["code"]) == (429, "overloaded")


def test_a_client_that_hangs_up_is_not_painted_for(model_path: Path, gate: threading.Event):
    async def scene() -> None:
        app = create_app(quiet_settings(model_path))
        async with serving(app):
            head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            arrived = [
                {"type": "http.request", "body": head + PHOTO + b"\r\n--xyz--\r\n", "more_body": False}
            ]
            sent: list[Any] = []

            async def receive() -> Any:
                if arrived:
                    return arrived.pop()
                while not hasattr(app.state, "painter") or app.state.painter._pending == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "method": "POST",
                "path": "/explain",
                "query_string": b"",
                "headers": [(b"content-type", b"multipart/form-data; boundary=xyz")],
                "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 80),
            }
            async with asyncio.timeout(20):
                await app(scope, receive, send)
            assert b"client_disconnected" in b"".join(message.get("body", b"") for message in sent)
            assert app.state.service.budget.held == 0
            gate.set()

    asyncio.run(scene())


def test_a_photo_that_cannot_be_read_is_a_typed_error():
    async def scene() -> None:
        painter = Painter(settings_of())
        with pytest.raises(CorruptImage):
            await painter.paint(PHOTO[:400], COLD)
        painter.close()

    asyncio.run(scene())
