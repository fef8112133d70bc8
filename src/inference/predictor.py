"""One photo's way through the service: cache, scorer and examiner, and a durable record before the reply."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from src.imaging.decode import DEFAULT_LIMITS, ImageLimits
from src.inference.ask import Answer, Ask
from src.inference.cache import Cache, Key
from src.inference.detection import Detection
from src.inference.evidence import Stability
from src.inference.examiner import Examined, Examiner
from src.inference.provenance.combine import Combined, combine
from src.inference.schemas import Origin, Prediction
from src.inference.scorer import Job, Judge, Scorer
from src.inference.shadow import Trial
from src.inference.stability import VARIANTS, Variants, compare, with_stability
from src.inference.upload import SentPhoto
from src.monitoring.metrics import Metrics
from src.monitoring.spans import Tracing
from src.store.records import Claim, Outcome, PredictionRecord
from src.utils.errors import DetectorError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.inference.photo import Photo
    from src.store.store import Store

_PATIENCE_S = 0.02
"""Seconds between two tries of a photo that can wait for a place."""


@dataclass(frozen=True, slots=True)
class Judged:
    """All that is known about a photo; how its verdict holds is known once somebody asked."""

    detection: Detection
    examined: Examined
    combined: Combined
    stability: Stability | None = None

    def shown(self, ask: Ask, *, known: bool) -> Judged:
        """Leave what this caller asked for; a verdict that was known before took no time."""
        detection = self.detection
        if known:
            timings = dict.fromkeys(detection.timings_ms, 0.0)
            detection = detection.model_copy(update={"timings_ms": timings})
        # Whether others asked before must not show: each reply depends on its own question alone.
        if ask.stability and self.stability is not None:
            detection = with_stability(detection, self.stability)
        return replace(self, detection=detection)


class Predictor:
    """Answers for one model in service; lives on the event loop and never blocks it."""

    def __init__(
        self,
        scorer: Scorer,
        examiner: Examiner,
        store: Store | None,
        metrics: Metrics,
        trial: Trial,
        *,
        cache_entries: int,
        limits: ImageLimits = DEFAULT_LIMITS,
        tracing: Tracing | None = None,
    ) -> None:
        self._scorer = scorer
        self._examiner = examiner
        self._store = store
        self._metrics = metrics
        self._trial = trial
        self._limits = limits
        self._tracing = tracing or Tracing()
        self._cache: Cache[Judged] = Cache(cache_entries)
        self._load = 0

    def forget(self) -> None:
        """Another model is in service: what the last one said, or is still saying, is not for its cache."""
        self._load += 1
        self._cache.clear()

    async def predict(self, photo: SentPhoto, ask: Ask) -> Answer:
        """Judge a photo and keep the prediction; when this returns, the record is durable or marked as not.

        Raises:
            OverloadedError: All places are taken.
            DeadlineError: The answer was not there in time.
            ImageError: The photo cannot be used.
            PolicyError: The model has no such policy.
            IdempotencyConflict: The key was used for another photo or other options.
        """
        # One model from here on, whatever is put in service meanwhile: the policy is a threshold of its card.
        detector, load = self._trial.choose(self._scorer.detector, photo.digest), self._load
        policy, _ = detector.card.policy(ask.policy)
        claim = _claim(photo, policy, ask)
        if claim is not None and (earlier := await self._earlier(claim, ask)) is not None:
            return Answer(earlier, "replay")
        key = Key(photo.digest, load, policy)
        known = self._cache.get(key)
        self._metrics.cache(hit=known is not None)
        answered = known is not None and (known.stability is not None or not ask.stability)
        source: Literal["scorer", "cache"] = "cache" if answered else "scorer"
        if known is not None and answered:
            judged = known
        else:
            judged = await self._judge_surely(photo.data, detector, policy, ask, known)
            if key.model == self._load and judged.examined.complete:
                self._cache.put(key, judged)
        judged = judged.shown(ask, known=known is not None and judged.detection is known.detection)
        self._metrics.verdict(judged.detection.label, policy, needs_review=judged.detection.needs_review)
        record = _record(photo, judged, ask)
        outcome = await self._keep(record, photo.data, claim)
        stored = outcome.stored
        if outcome.prediction_id != record.id and claim is not None:
            # A twin with the same key was quicker; both callers get its answer.
            earlier = await self._earlier(claim, ask)
            if earlier is not None:
                return Answer(earlier, "replay")
            stored = False  # the twin's record was deleted since, and this one was never kept
        if self._store is not None:
            self._metrics.recorded(stored=stored)
        prediction = Prediction.of(
            judged.detection,
            _origin(judged),
            ask.request_id,
            id=record.id,
            stored=stored,
            explain=ask.explain,
        )
        return Answer(prediction, source)

    async def _judge_surely(
        self, photo: bytes, detector: Judge, policy: str, ask: Ask, known: Judged | None
    ) -> Judged:
        """Judge; a challenger that fails as no model may ends its trial, and the champion answers."""
        try:
            return await self._judge(photo, detector, policy, ask, known)
        except DetectorError:
            raise
        except Exception as error:
            if not self._trial.retire(detector, error):
                raise
        return await self._judge(photo, self._scorer.detector, policy, ask, None)

    async def _judge(
        self, photo: bytes, detector: Judge, policy: str, ask: Ask, known: Judged | None
    ) -> Judged:
        expires = perf_counter() + self._scorer.deadline_s
        if known is None:
            job = await self._place(
                lambda: self._scorer.accept(photo, policy, detector), perf_counter() + ask.wait_s
            )
            known, expires = await self._finish(job, photo), job.expires
        if not ask.stability:
            return known
        return replace(known, stability=await self._steady(photo, known, detector, expires))

    async def _steady(self, photo: bytes, judged: Judged, detector: Judge, expires: float) -> Stability:
        """Judge the photo's forms one after another, so that a caller who asks holds one place, not six."""
        policy = judged.detection.policy
        variants = Variants(photo, self._limits, detector.card.views.max_side)
        verdicts = []
        for name in VARIANTS:
            make = partial(variants.make, name)
            admit = partial(self._form, detector, policy, expires, make)
            verdicts.append(await self._scorer.finish(await self._place(admit, expires)))
        return compare(judged.detection, verdicts)

    def _form(self, detector: Judge, policy: str, expires: float, make: Callable[[], Photo]) -> Job:
        return self._scorer.admit(Job(detector, b"", policy, perf_counter(), expires, variant=make))

    async def _place(self, admit: Callable[[], Job], ends: float) -> Job:
        """Try for a place until there is one, or it is too late."""
        while True:
            try:
                return admit()
            except OverloadedError:
                if perf_counter() >= ends:
                    raise
            await asyncio.sleep(_PATIENCE_S)

    async def _finish(self, job: Job, photo: bytes) -> Judged:
        examining = self._examiner.examine(photo)
        try:
            detection = await self._scorer.finish(job)
            self._tracing.judged(perf_counter() - job.accepted, detection.timings_ms)
            examined = await self._examiner.result(examining, accepted=job.accepted, expires=job.expires)
        finally:
            examining.cancel()
        if examined.complete:
            self._metrics.stage("provenance", examined.seconds)
            self._tracing.stage("provenance", examined.seconds)
        else:
            self._metrics.provenance_unread()
        return Judged(detection, examined, combine(detection.label, examined.provenance))

    async def _keep(self, record: PredictionRecord, photo: bytes, claim: Claim | None) -> Outcome:
        if self._store is None:
            return Outcome(stored=False, prediction_id=record.id)
        start = perf_counter()
        kept_photo = photo if record.needs_review and self._store.keeps_images else None
        if claim is None:
            stored = await self._store.record(record, kept_photo)
            outcome = Outcome(stored=stored, prediction_id=record.id)
        else:
            outcome = await self._store.record_once(record, claim, kept_photo)
        seconds = perf_counter() - start
        self._metrics.stage("store", seconds)
        self._tracing.stage("store", seconds)
        return outcome

    async def _earlier(self, claim: Claim, ask: Ask) -> Prediction | None:
        """Find the answer that an idempotency key got before."""
        if self._store is None:
            return None
        prediction_id = await self._store.recall(claim)
        found = await self._store.prediction(prediction_id) if prediction_id is not None else None
        if found is None:
            return None
        return Prediction.of_record(found.record, ask.request_id, explain=ask.explain)


def _claim(photo: SentPhoto, policy: str, ask: Ask) -> Claim | None:
    if ask.idempotency_key is None:
        return None
    options = f"{policy}:stability" if ask.stability else policy
    body = hashlib.sha256(f"{photo.digest}:{options}".encode()).hexdigest()
    return Claim(key=ask.idempotency_key, owner=ask.api_key_id or "", body_hash=body)


def _origin(judged: Judged) -> Origin:
    return Origin.of(judged.combined, judged.examined.provenance)


def _record(photo: SentPhoto, judged: Judged, ask: Ask) -> PredictionRecord:
    detection = judged.detection
    return PredictionRecord(
        sha256=photo.digest,
        label=detection.label,
        probability=detection.probability,
        logit=detection.logit,
        threshold=detection.threshold,
        policy=detection.policy,
        # Whoever looks at the queue must also see photos whose file speaks against their pixels.
        needs_review=detection.needs_review or judged.combined.needs_review,
        model_version=detection.model_version,
        api_key_id=ask.api_key_id,
        evidence={
            "provenance": _origin(judged).model_dump(mode="json", exclude_none=True),
            "heatmap": detection.heatmap,
            "pixels_need_review": detection.needs_review,
            **detection.model_dump(include={"attribution", "stability"}, exclude_none=True),
        },
        facts=judged.examined.facts,
        timings_ms=detection.timings_ms,
        embedding=detection.embedding.astype("<f2").tobytes(),
    )
