"""The scorer takes whatever waits, drops what is too late before it costs anything, blames nobody falsely."""

from __future__ import annotations

import asyncio
import time

import pytest

from src.inference.detector import Detection, Detector
from src.inference.scorer import Scorer
from src.utils.errors import DeadlineError, NotReadyError, PolicyError
from tests.support.patience import PATIENCE_S, until
from tests.support.pictures import photo_bytes
from tests.support.recording import Heard, Recording


@pytest.fixture
def recording(detection: Detection) -> Recording:
    return Recording(detection)


def test_worker_takes_what_waits_up_to_the_maximum_and_answers_each_by_its_own_policy(
    recording: Recording,
) -> None:
    async def scenario() -> None:
        heard = Heard()
        scorer = Scorer(
            recording, workers=2, queue_size=30, deadline_s=PATIENCE_S, max_batch=4, observer=heard
        )
        first = asyncio.create_task(scorer.score(b"first"))
        await until(lambda: recording.batches == [1])  # alone: nothing is waited for
        policies = ["balanced", "high_recall"] * 3
        rest = [asyncio.create_task(scorer.score(b"later", policy)) for policy in policies]
        await until(lambda: len(recording.prepared) >= 5)
        recording.gate.set()
        await first
        assert [verdict.policy for verdict in await asyncio.gather(*rest)] == policies
        assert max(recording.batches) <= 4
        assert max(recording.batches) > 1
        assert sum(recording.batches) == 7
        assert heard.batches == recording.batches
        assert {name for name, _ in heard.stages} == {"queue", "decode", "views", "inference"}
        assert all(seconds >= 0 for _, seconds in heard.stages)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_decoders_are_held_back_while_inference_is_busy(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=30, deadline_s=PATIENCE_S, max_batch=2)
        tasks = [asyncio.create_task(scorer.score(b"photo")) for _ in range(20)]
        # As many as may be: one or two in inference, two ready, one in the decoder's hands.
        await until(lambda: len(recording.prepared) >= 4)
        await asyncio.sleep(0.05)
        assert len(recording.prepared) <= 5
        recording.gate.set()
        await asyncio.gather(*tasks)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_what_is_too_late_is_dropped_before_inference(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S, max_batch=1)
        jobs = [scorer.accept(b"photo") for _ in range(5)]
        await until(lambda: recording.batches == [1])
        for job in jobs:
            job.expires = time.perf_counter() - 1
        results = await asyncio.gather(*(scorer.finish(job) for job in jobs), return_exceptions=True)
        assert [type(item) for item in results] == [DeadlineError] * 5
        recording.gate.set()
        await asyncio.to_thread(scorer.close)
        assert recording.batches == [1]
        assert scorer.pending == 0

    asyncio.run(scenario())


def test_expired_work_is_dropped_even_when_the_event_loop_is_late(recording: Recording) -> None:
    """Nobody has given the work up yet: the threads look at the time themselves."""

    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S, max_batch=1)
        jobs = [scorer.accept(b"photo") for _ in range(6)]
        # One in inference, one ready, one in the decoder's hands, three that wait for it.
        await until(lambda: recording.batches == [1] and len(recording.prepared) == 3)
        for job in jobs[1:]:
            job.expires = 0.0
        recording.gate.set()
        await until(lambda: scorer.pending == 0)
        assert (recording.batches, len(recording.prepared)) == ([1], 3)
        assert isinstance(await scorer.finish(jobs[0]), Detection)
        for job in jobs[1:]:
            with pytest.raises(DeadlineError):
                await scorer.finish(job)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_caller_that_goes_away_frees_its_place_and_its_work(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S, max_batch=1)
        tasks = [asyncio.create_task(scorer.score(bytes([number]))) for number in range(8)]
        await until(lambda: recording.batches == [1])
        await until(lambda: len(recording.prepared) == 3)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        await until(lambda: scorer.pending <= 2)  # in inference, and in the decoder's hands
        recording.gate.set()
        await tasks[0]
        await until(lambda: scorer.pending == 0)
        await asyncio.to_thread(scorer.close)
        assert len(recording.prepared) == 3

    asyncio.run(scenario())


def test_one_poisonous_photo_does_not_fail_its_batch(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=2, queue_size=30, deadline_s=PATIENCE_S, max_batch=8)
        photos = [b"first", b"good", b"poison", b"good"]
        tasks = [asyncio.create_task(scorer.score(photo)) for photo in photos]
        await until(lambda: len(recording.prepared) == 4)
        recording.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(item, Detection) for item in results] == [True, True, False, True]
        assert isinstance(results[2], FloatingPointError)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_photo_is_finished_by_the_model_that_began_it(detection: Detection) -> None:
    async def scenario() -> None:
        old, new = Recording(detection), Recording(detection)
        scorer = Scorer(old, workers=1, queue_size=30, deadline_s=PATIENCE_S, max_batch=8)
        before = [asyncio.create_task(scorer.score(b"old")) for _ in range(3)]
        await until(lambda: len(old.prepared) == 3)
        scorer.detector = new
        after = [asyncio.create_task(scorer.score(b"new")) for _ in range(3)]
        await until(lambda: len(new.prepared) == 3)
        new.gate.set()
        old.gate.set()
        await asyncio.gather(*before, *after)
        assert (sum(old.batches), sum(new.batches)) == (3, 3)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_unknown_policy_costs_nothing(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=1, deadline_s=5)
        with pytest.raises(PolicyError):
            await scorer.score(b"photo", "lenient")
        assert (scorer.pending, recording.prepared) == (0, [])
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_close_finishes_what_was_accepted_and_takes_no_more(recording: Recording) -> None:
    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S, max_batch=2)
        tasks = [asyncio.create_task(scorer.score(b"photo")) for _ in range(6)]
        await until(lambda: len(recording.batches) > 0)  # of one or two photos
        closing = asyncio.create_task(asyncio.to_thread(scorer.close))
        await until(lambda: scorer._closed)
        with pytest.raises(NotReadyError):
            await scorer.score(b"late")
        recording.gate.set()
        assert len(await asyncio.gather(*tasks)) == 6
        await closing

    asyncio.run(scenario())


def test_batched_verdicts_are_those_of_single_photos(detector: Detector) -> None:
    photos = [photo_bytes(seed, (90 + seed, 70)) for seed in range(12)]

    async def scenario() -> list[Detection]:
        scorer = Scorer(detector, workers=2, queue_size=30, deadline_s=PATIENCE_S, max_batch=4)
        results = await asyncio.gather(*(scorer.score(photo) for photo in photos))
        await asyncio.to_thread(scorer.close)
        return results

    for photo, batched in zip(photos, asyncio.run(scenario()), strict=True):
        alone = detector.detect(photo)
        assert batched.logit == pytest.approx(alone.logit, abs=1e-5)
        assert batched.label == alone.label
