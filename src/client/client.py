"""`DetectorClient`: every call of the service as a method that returns a typed reply or raises `ApiError`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Literal, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from src.client.errors import ApiError
from src.client.photos import Group, Photo, groups, read
from src.client.replies import (
    Batch,
    Drift,
    Explanation,
    Health,
    KeptFeedback,
    Model,
    Prediction,
    PredictionWithFeedback,
    ReviewPage,
)
from src.client.retry import Backoff
from src.client.transport import Caller, error_of, parse

_AHEAD = 2
"""Photos that wait for each worker: enough to keep it busy, few enough to fit into memory."""


class DetectorClient:
    """Talks to one service; may be used by several threads at once.

    Calls that failed for want of room (429, 503) or of a connection are made again, after the time that the
    service asks for or an exponential backoff with jitter. Each prediction carries an idempotency key, so
    that one which was made again is kept once.

    Args:
        base_url: Such as `http://127.0.0.1:8000`; a path in it is kept.
        api_key: Where the service wants one.
        timeout_s: Seconds that one try may wait for the connection, and for each piece of the answer.
        retries: Tries after the first one.
        batch_files: Most photos in one request of `predict_batch`, as the service allows.
        batch_bytes: Most bytes in one such request.
        transport: Instead of the network, for tests.
        sleep: Waits between tries.

    Example:
        >>> from src.client import ApiError, DetectorClient
        >>> with DetectorClient(url) as detector:
        ...     verdict = detector.predict(photo)
        ...     print(verdict.label, verdict.policy)
        ...     try:
        ...         detector.predict(b"no photo at all")
        ...     except ApiError as error:
        ...         print(error.status, error.code)
        real balanced
        415 unsupported_format
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 30,
        retries: int = 3,
        batch_files: int = 32,
        batch_bytes: int = 90 * 2**20,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._caller = Caller(
            base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            backoff=Backoff(retries),
            transport=transport,
            sleep=sleep,
        )
        self._batch_files = batch_files
        self._batch_bytes = batch_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()

    def predict(
        self,
        photo: Photo,
        *,
        policy: str | None = None,
        explain: bool = False,
        stability: bool = False,
        idempotency_key: str | None = None,
    ) -> Prediction:
        """Judge one photo.

        Args:
            photo: A file's bytes, or its path.
            policy: Of the model's card; its default if None.
            explain: Add the heatmap and what else explains the verdict as `evidence`.
            stability: Add how the verdict holds when the photo is saved again; costs six photos' time.
            idempotency_key: Same key, same answer; a new one by default.

        Raises:
            ApiError: As for every call; `unreadable_file` for a path that cannot be read.
        """
        response = self._caller.call(
            "POST",
            "/v1/predict",
            files={"file": ("photo", read(photo))},
            params=_given(policy=policy, explain=explain or None, stability=stability or None),
            headers=_key(idempotency_key),
        )
        return _prediction(response)

    def predict_many(
        self,
        photos: Iterable[Photo],
        *,
        policy: str | None = None,
        stability: bool = False,
        workers: int = 4,
    ) -> Iterator[Prediction | ApiError]:
        """Judge any number of photos, several at a time; one that fails is an error among verdicts.

        Args:
            photos: Read as they are needed, so there may be millions.
            policy: As for `predict`.
            stability: As for `predict`.
            workers: Photos on their way at once.

        Yields:
            Verdicts and errors in the order of the photos.
        """

        def judge(photo: Photo) -> Prediction | ApiError:
            try:
                return self.predict(photo, policy=policy, stability=stability)
            except ApiError as error:
                return error

        rest = iter(photos)
        with ThreadPoolExecutor(workers, thread_name_prefix="predict") as pool:
            begun: deque[Future[Prediction | ApiError]] = deque(
                pool.submit(judge, photo) for photo in islice(rest, workers * _AHEAD)
            )
            try:
                while begun:
                    yield begun.popleft().result()
                    begun.extend(pool.submit(judge, photo) for photo in islice(rest, 1))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def predict_batch(
        self, photos: Iterable[Photo], *, policy: str | None = None
    ) -> list[Prediction | ApiError]:
        """Judge photos in as few requests as the service's bounds allow.

        Returns:
            A verdict or an error for each photo, in their order. Where a whole request fails, each photo in
            it has that error.
        """
        found: list[Prediction | ApiError] = []
        for group in groups(photos, most=self._batch_files, most_bytes=self._batch_bytes):
            found += self._judge_group(group, policy)
        return found

    def predict_url(
        self,
        url: str,
        *,
        policy: str | None = None,
        stability: bool = False,
        idempotency_key: str | None = None,
    ) -> Prediction:
        """Have the service fetch a photo from a host that it allows, and judge it."""
        response = self._caller.call(
            "POST",
            "/v1/predict/url",
            json=_given(url=url, policy=policy, stability=stability or None),
            headers=_key(idempotency_key),
        )
        return _prediction(response)

    def explain(self, photo: Photo, *, policy: str | None = None) -> Explanation:
        """Judge one photo and show where the verdict comes from; nothing is kept of it."""
        files = {"file": ("photo", read(photo))}
        response = self._caller.call("POST", "/v1/explain", files=files, params=_given(policy=policy))
        return parse(Explanation, response)

    def prediction(self, prediction_id: str) -> PredictionWithFeedback:
        """Return a kept prediction; `not_found` if there is none, or none that this key may see."""
        return parse(PredictionWithFeedback, self._caller.call("GET", _path(prediction_id)))

    def feedback(
        self,
        prediction_id: str,
        true_label: Literal["real", "ai_generated"],
        *,
        reviewer: str,
        reason: str = "",
    ) -> KeptFeedback:
        """Say what a photo really is. Not sent again once it may have arrived: it would be kept twice."""
        body = {"true_label": true_label, "reviewer": reviewer, "reason": reason}
        path = f"{_path(prediction_id)}/feedback"
        return parse(KeptFeedback, self._caller.call("POST", path, json=body, repeatable=False))

    def review(self, cursor: str | None = None, limit: int = 20) -> ReviewPage:
        """Return a page of what waits for a person: newest day first, within it the most doubtful first."""
        params = _given(cursor=cursor, limit=limit)
        return parse(ReviewPage, self._caller.call("GET", "/v1/review", params=params))

    def photo(self, prediction_id: str) -> bytes | None:
        """Return the photo of a prediction as it was sent; None where it is not kept, or no longer."""
        try:
            return self._caller.call("GET", f"{_path(prediction_id)}/photo").content
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def health(self) -> Health:
        """Ask once how the service does; one that is up but not ready answers too."""
        response = self._caller.ask("GET", "/health")
        # A service that is not ready says so with 503 and the same fields; a proxy's 503 has others.
        if not response.is_success and b'"uptime_s"' not in response.content:
            raise error_of(response)
        return parse(Health, response)

    def model(self) -> Model:
        """Return the card of the model in service."""
        return parse(Model, self._caller.call("GET", "/v1/model"))

    def drift(self) -> Drift:
        """Return how the photos of late differ from those that the model was made with."""
        return parse(Drift, self._caller.call("GET", "/v1/drift"))

    def delete(self, prediction_id: str) -> None:
        """Delete a prediction, its feedback and its photo for good; `not_found` if there is none."""
        self._caller.call("DELETE", _path(prediction_id))

    def _judge_group(self, group: Group, policy: str | None) -> list[Prediction | ApiError]:
        sent = [photo for photo in group if isinstance(photo, bytes)]
        answers = iter(self._judge_together(sent, policy) if sent else [])
        return [next(answers) if isinstance(photo, bytes) else photo for photo in group]

    def _judge_together(self, sent: list[bytes], policy: str | None) -> list[Prediction | ApiError]:
        try:
            response = self._caller.call(
                "POST",
                "/v1/predict/batch",
                files=[("files", ("photo", data)) for data in sent],
                params=_given(policy=policy),
                headers=_key(None),
            )
            return parse(Batch, response).outcomes(len(sent))
        except ApiError as error:
            return [error] * len(sent)


def _prediction(response: httpx.Response) -> Prediction:
    return parse(Prediction, response, source=response.headers.get("X-Answer-Source", ""))


def _path(prediction_id: str) -> str:
    return f"/v1/predictions/{quote(prediction_id, safe='')}"


def _key(given: str | None) -> dict[str, str]:
    return {"Idempotency-Key": given or uuid4().hex}


def _given(**values: str | float | None) -> dict[str, str | float]:
    return {name: value for name, value in values.items() if value is not None}
