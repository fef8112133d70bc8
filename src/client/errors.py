"""What went wrong with a call, as the service told it or as the connection did."""

from __future__ import annotations

from src.utils.errors import DetectorError


class ApiError(DetectorError):
    """A call that got no answer of the kind it asked for.

    Attributes:
        code: As in the service's problem; else `unreadable_file` (a path that cannot be read),
            `unexpected_reply` (an answer that is not this service's) or `http_502` and its like (a proxy's).
        status: HTTP status; 0 where there was no reply.
        detail: One sentence for people.
        request_id: Quote it when you report the problem; empty where there was no reply.
        retry_after_s: Seconds after which the service asks to be called again, if it said so.
    """

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        # `args` must mirror this signature, or the error does not survive pickling between processes.
        self.args = (code, status, detail, request_id, retry_after_s)
        self.code = code
        self.status = status
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class ApiUnreachable(ApiError):  # noqa: N818 - what it says reads better without
    """The service could not be reached, or the connection broke before its answer was there.

    Attributes:
        sent: The request, or a part of it, may have reached the service.
    """

    def __init__(self, detail: str, *, sent: bool = True) -> None:
        super().__init__("unreachable", 0, detail)
        self.args = (detail,)
        self.sent = sent
