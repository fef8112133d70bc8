"""Many photos judged a few at a time, for a batch that waits or a job that does not."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from src.inference.ask import Ask
from src.inference.problem import translate
from src.inference.schemas import BatchItem, ItemError
from src.inference.upload import SentPhoto
from src.utils.errors import DetectorError
from src.utils.settings import Settings

if TYPE_CHECKING:
    from src.inference.predictor import Predictor


async def judge_all(
    predictor: Predictor, photos: Sequence[SentPhoto], ask: Ask, settings: Settings
) -> AsyncIterator[BatchItem]:
    """Judge a few photos at a time, so that a batch leaves room for others; each is told when it is done."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + settings.batch_deadline_s
    places = (settings.workers + settings.queue_size) // 2
    room = asyncio.Semaphore(max(1, min(settings.workers + settings.max_batch, places)))

    async def judge(index: int, photo: SentPhoto) -> BatchItem:
        async with room:
            own = replace(
                ask,
                idempotency_key=_own_key(ask.idempotency_key, index),
                wait_s=max(0.0, ends - loop.time()),
            )
            try:
                answer = await predictor.predict(photo, own)
            except DetectorError as error:
                code, detail = translate(error)
                return BatchItem(index=index, error=ItemError(code=code, detail=detail))
            return BatchItem(index=index, prediction=answer.prediction)

    tasks = [asyncio.ensure_future(judge(index, photo)) for index, photo in enumerate(photos)]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _own_key(key: str | None, index: int) -> str | None:
    """Derive a photo's idempotency key from its batch's; no client's own key looks like one."""
    return None if key is None else f"{hashlib.sha256(key.encode()).hexdigest()}#{index}"
