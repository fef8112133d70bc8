"""All uploads together hold a bounded number of bytes, and give every one of them back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from src.inference.api import create_app
from src.inference.budget import Budget
from src.utils.errors import OverloadedError
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings, serving

MB = 2**20


def test_bytes_are_given_back_also_after_an_error() -> None:
    budget = Budget(10)
    with budget.lease() as lease:
        lease.take(6)
        with budget.lease() as other:
            other.take(4)
            with pytest.raises(OverloadedError):
                other.take(1)
        assert budget.held == 6
    assert budget.held == 0


def test_slow_uploads_cannot_fill_the_memory(model_path: Path) -> None:
    release = asyncio.Event()

    async def slow_body():
        yield b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"\0" * 700_000
        await release.wait()
        yield b"\r\n--xyz--\r\n"

    async def scenario() -> None:
        app = create_app(quiet_settings(model_path, max_inflight_bytes=MB))
        headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
        async with serving(app) as client:
            slow = asyncio.create_task(client.post("/predict", content=slow_body(), headers=headers))
            while not app.state.service.budget.held:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.002)
            refused = await client.post("/predict", content=slow_body(), headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert (await client.post("/predict", files={"file": photo_bytes(1)})).status_code == 200
            release.set()
            assert (await slow).status_code == 415
            assert app.state.service.budget.held == 0

    asyncio.run(scenario())
