"""The event loop is never blocked: neither by photos, hashes, metadata, batches, the store, nor a reload."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import numpy as np
from PIL import Image

from src.inference.api import create_app
from tests.support.pictures import encode, photo_bytes
from tests.support.service import quiet_settings, serving

TICK_S = 0.002
LONGEST_S = 0.12
"""Of the loop's own computing between two ticks, so that a busy machine does not matter; decoding the large
photo on the loop takes more than twice this. What waits on the loop is seen by `test_loop_lag`."""


def large_photo() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (4000, 5000, 3), dtype=np.uint8)
    return encode(Image.fromarray(noise), "PNG", compress_level=1)


async def longest_gap(stop: asyncio.Event) -> float:
    longest, last = 0.0, time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(TICK_S)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    return longest


def test_loop_ticks_on_while_everything_works(model_path: Path, tmp_path: Path) -> None:
    large = large_photo()

    async def scenario() -> float:
        settings = quiet_settings(
            model_path,
            store_url=f"sqlite:///{tmp_path}/d.db",
            spool_dir=tmp_path / "spool",
            max_bytes=80 * 2**20,
            max_inflight_bytes=512 * 2**20,
            deadline_s=300.0,
            upload_timeout_s=300.0,
            batch_deadline_s=300.0,
        )
        async with serving(create_app(settings)) as client:
            # The first request pays for what is imported late.
            assert (await client.post("/predict", files={"file": photo_bytes(0)})).status_code == 200
            gc.freeze()  # what other tests have left behind is not this loop's to collect
            stop = asyncio.Event()
            watching = asyncio.create_task(longest_gap(stop))
            # The body is made ready before: building it is the client's work, not the service's.
            boundary = b"xyz"
            head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            body = head + large + b"\r\n--xyz--\r\n"

            async def pieces():
                for start in range(0, len(body), 65_536):
                    await asyncio.sleep(0)  # a real connection has to wait for its bytes, too
                    yield body[start : start + 65_536]

            headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
            calls = [client.post("/predict", content=pieces(), headers=headers)]
            calls += [client.post("/predict", files={"file": photo_bytes(seed)}) for seed in range(1, 12)]
            calls += [client.post("/model/reload"), client.get("/metrics"), client.get("/review")]
            batch = [("files", ("a", photo_bytes(seed))) for seed in range(20, 30)]
            calls.append(client.post("/predict/batch", files=batch))
            replies = await asyncio.gather(*calls)
            assert {reply.status_code for reply in replies} == {200}
            stop.set()
            return await watching

    try:
        assert asyncio.run(scenario()) < LONGEST_S
    finally:
        gc.unfreeze()
