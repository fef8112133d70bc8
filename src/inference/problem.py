"""Every error becomes `application/problem+json` (RFC 9457) here, and nowhere else is a status chosen.

Each problem has a stable `code` for machines, and the request's id.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from src.inference.request_id import HEADER, request_id_of
from src.utils.errors import DetectorError, ImageError, RateLimitedError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

STATUS = {
    "malformed_body": 400,
    "client_disconnected": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "keys_required": 403,
    "url_disabled": 403,
    "webhooks_disabled": 403,
    "not_found": 404,
    "photo_not_kept": 404,
    "method_not_allowed": 405,
    "upload_timeout": 408,
    "idempotency_conflict": 409,
    "file_too_large": 413,
    "body_too_large": 413,
    "too_many_files": 413,
    "not_multipart": 415,
    "unsupported_format": 415,
    "missing_file": 422,
    "invalid_request": 422,
    "empty_file": 422,
    "corrupt_image": 422,
    "image_too_small": 422,
    "too_elongated": 422,
    "too_many_pixels": 422,
    "side_too_long": 422,
    "too_many_frames": 422,
    "unknown_policy": 422,
    "model_invalid": 422,
    "url_not_allowed": 422,
    "url_unreachable": 422,
    "overloaded": 429,
    "rate_limited": 429,
    "internal_error": 500,
    "model_not_ready": 503,
    "shutting_down": 503,
    "store_unavailable": 503,
    "deadline_exceeded": 504,
}
"""HTTP status of each code. A photo's fault that is not listed is 422, any other error 500."""

_CLOSES = {
    "file_too_large",
    "body_too_large",
    "too_many_files",
    "upload_timeout",
    "malformed_body",
    "shutting_down",
}
"""Told before the body was read to its end: what is still on its way must not pass for the next request."""

_log = structlog.get_logger()


class Problem(BaseModel):
    """An error, as RFC 9457 shapes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(description="URI of the kind of problem, made of its code.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Stable, for machines.")
    detail: str = Field(description="One sentence for people.")
    request_id: str = Field(description="Quote it when you report the problem.")


def problem_example(code: str, detail: str) -> dict[str, Any]:
    """Build the example of one code for the API's description."""
    return _problem(code, detail, "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f").model_dump()


def problem_response(
    request: Request, code: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """Build the reply to a request that failed."""
    request_id = request_id_of(request.scope)
    problem = _problem(code, detail, request_id)
    all_headers = {HEADER: request_id, **(headers or {})}
    if problem.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        all_headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        all_headers["WWW-Authenticate"] = "Bearer"
    if code in _CLOSES:
        all_headers["Connection"] = "close"
    request.app.state.service.metrics.error(code)
    return Response(problem.model_dump_json(), problem.status, all_headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Register the translation of every kind of error."""
    app.add_exception_handler(DetectorError, _on_detector_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


def _problem(code: str, detail: str, request_id: str) -> Problem:
    status = STATUS.get(code, 500)
    return Problem(
        type=f"urn:detector:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request_id,
    )


def translate(error: DetectorError) -> tuple[str, str]:
    """Return the code and the sentence by which one of our errors is told to a client."""
    code = error.code
    if code not in STATUS:
        code = "corrupt_image" if isinstance(error, ImageError) else "internal_error"
    if code == "internal_error":
        _log.error("unexpected_error", code=error.code, exc_info=error)
        return code, "something went wrong on our side"
    return code, error.message


def problem_of(request: Request, error: DetectorError) -> Response:
    """Translate one of our errors into the reply to the request that met it."""
    wait = {"Retry-After": str(error.retry_after_s)} if isinstance(error, RateLimitedError) else None
    return problem_response(request, *translate(error), wait)


async def _on_detector_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, DetectorError):  # the signature of handlers is wider than their registration
        raise error
    return problem_of(request, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem_response(request, "invalid_request", f"{where}: {first['msg']}")


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    codes = {
        404: "not_found",
        405: "method_not_allowed",
        408: "upload_timeout",
        413: "body_too_large",
        503: "shutting_down",
    }
    code = codes.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal_error")
    return problem_response(request, code, str(error.detail), dict(error.headers or {}))


async def _on_bug(request: Request, error: Exception) -> Response:
    # This handler runs outside the middleware that binds the id to the log lines.
    request_id = request_id_of(request.scope)
    _log.error("unexpected_error", code="internal_error", request_id=request_id, exc_info=error)
    return problem_response(request, "internal_error", "something went wrong on our side")
