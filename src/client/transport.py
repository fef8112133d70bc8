"""One call over HTTP: sent, sent again where that helps, its answer turned into a reply or an `ApiError`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypedDict, TypeVar, Unpack

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from src.client.errors import ApiError, ApiUnreachable
from src.client.retry import Backoff, retry_after

Shape = TypeVar("Shape")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CONNECTIONS = 32


class Options(TypedDict, total=False):
    """What a call carries, as `httpx.Client.request` takes it; nothing that can be read only once."""

    params: Mapping[str, str | float]
    headers: Mapping[str, str]
    json: Mapping[str, object]
    files: Mapping[str, tuple[str, bytes]] | Sequence[tuple[str, tuple[str, bytes]]]


class _Problem(BaseModel):
    """What we read of an `application/problem+json` reply."""

    code: str
    detail: str = ""
    request_id: str = ""


class Caller:
    """Calls one service; may be used by several threads at once.

    Args:
        base_url: Such as `https://detector.example`; a path in it is kept.
        api_key: Sent as `Authorization: Bearer ...`.
        timeout_s: Seconds that one try may wait for the connection, and for each piece of the answer.
        backoff: When to try again.
        transport: Instead of the network, for tests.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        timeout_s: float,
        backoff: Backoff,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "product-photo-detector-client"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._http = httpx.Client(
            base_url=base_url,
            headers=headers,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            transport=transport,
        )
        self._backoff = backoff
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def call(
        self, method: str, path: str, *, repeatable: bool = True, **options: Unpack[Options]
    ) -> httpx.Response:
        """Call until there is an answer that is no error, or no use in asking again.

        Args:
            method: HTTP's.
            path: Below the base URL.
            repeatable: The call may be done twice without harm.
            **options: What it carries.

        Raises:
            ApiError: The service answered with an error; `ApiUnreachable` if it did not answer.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return self._once(method, path, **options)
            except ApiError as error:
                wait_s = self._backoff.wait(error, tries, repeatable=repeatable)
                if wait_s is None:
                    raise
            self._sleep(wait_s)

    def ask(self, method: str, path: str, **options: Unpack[Options]) -> httpx.Response:
        """Call once, and return whatever is answered.

        Raises:
            ApiUnreachable: There was no answer.
        """
        try:
            return self._http.request(method, path, **options)
        except _NOT_SENT as error:
            raise ApiUnreachable(_told(error), sent=False) from error
        except httpx.TransportError as error:
            raise ApiUnreachable(_told(error)) from error

    def _once(self, method: str, path: str, **options: Unpack[Options]) -> httpx.Response:
        response = self.ask(method, path, **options)
        if response.is_success:
            return response
        raise error_of(response)


def parse(shape: type[Shape], response: httpx.Response, **more: object) -> Shape:
    """Read an answer's JSON as a type, with further fields put into it.

    Raises:
        ApiError: `unexpected_reply`: it is not of this type; is this the service?
    """
    adapter = TypeAdapter(shape)
    try:
        return (
            adapter.validate_python(response.json() | more)
            if more
            else adapter.validate_json(response.content)
        )
    except (ValidationError, ValueError, TypeError) as error:
        detail = f"the reply is no {shape.__name__}; is this the detector's service?"
        request_id = response.headers.get("X-Request-ID", "")
        raise ApiError("unexpected_reply", response.status_code, detail, request_id) from error


def error_of(response: httpx.Response) -> ApiError:
    """Read an error: the service's problem, or whatever a proxy in between had to say."""
    status, wait_s = response.status_code, retry_after(response.headers.get("Retry-After"))
    request_id = response.headers.get("X-Request-ID", "")
    try:
        problem = _Problem.model_validate_json(response.content)
    except ValidationError:
        return ApiError(
            f"http_{status}", status, response.reason_phrase or "no reason given", request_id, wait_s
        )
    return ApiError(problem.code, status, problem.detail, problem.request_id or request_id, wait_s)


def _told(error: httpx.TransportError) -> str:
    kind = type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return f"the service did not answer in time ({kind})"
    return f"the service could not be asked ({kind})"
