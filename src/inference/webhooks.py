"""Tells a caller's address that a job has ended, signed as the Standard Webhooks specification 1.0 says.

The receiver recomputes an HMAC over id, time and body, so that nobody else can speak for this service; the id
is the same in every attempt, so that it can tell a repetition.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

import httpx
import structlog
from standardwebhooks.webhooks import Webhook

from src.inference.outbound import Gate
from src.utils.errors import ConfigError, OverloadedError, UrlError
from src.utils.settings import Settings

Outcome = Literal["delivered", "again", "never"]

DELAYS_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds between attempts; after the last one nothing more is tried."""
_JITTER = 0.2
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)

_log = structlog.get_logger()


class Signer:
    """Signs messages.

    Args:
        secret: `whsec_` and 24 to 64 random bytes in base64; the receiver has the same.

    Raises:
        ConfigError: It is not of this form.
    """

    def __init__(self, secret: str) -> None:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
            raise ConfigError("DETECTOR_WEBHOOK_SECRET must be `whsec_` and 24 to 64 bytes in base64")
        self._webhook = Webhook(key)

    def headers(self, message_id: str, body: str, moment: datetime | None = None) -> dict[str, str]:
        """Return the headers that prove a message; `moment` is now by default."""
        moment = (moment or datetime.now(UTC)).replace(microsecond=0)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, moment, body),
        }


class Courier:
    """Brings messages to listed hosts.

    Args:
        gate: Which addresses may be called.
        signer: Of the messages.
        timeout_s: Seconds for one attempt.
        delays_s: Seconds between attempts.
    """

    def __init__(
        self, gate: Gate, signer: Signer, *, timeout_s: float, delays_s: tuple[float, ...] = DELAYS_S
    ) -> None:
        self._gate = gate
        self._signer = signer
        self.timeout_s = timeout_s
        self._delays_s = delays_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Courier:
        """Make one for the hosts that the settings allow.

        Raises:
            ConfigError: There is no usable secret.
        """
        signer = Signer(settings.webhook_secret)
        return cls(Gate(settings.webhook_hosts), signer, timeout_s=settings.webhook_timeout_s)

    def check(self, url: str) -> None:
        """Check an address before anything is promised.

        Raises:
            UrlError: `url_not_allowed`.
        """
        self._gate.check(url)

    def delay(self, attempts: int) -> float | None:
        """Return the seconds to wait after so many attempts, or None where that was the last."""
        if attempts > len(self._delays_s):
            return None
        # So that messages which failed together do not come back together.
        return self._delays_s[attempts - 1] * (1.0 + random.uniform(-_JITTER, _JITTER))  # noqa: S311

    async def send(self, url: str, message_id: str, body: str) -> Outcome:
        """Try once to deliver a message; redirects are failures, and 410 means never again."""
        headers = {"Content-Type": "application/json", **self._signer.headers(message_id, body)}
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                self._gate.stream(
                    "POST",
                    self._gate.check(url),
                    headers=headers,
                    timeout_s=self.timeout_s,
                    content=body.encode(),
                ) as response,
            ):
                status = response.status_code
        except (TimeoutError, httpx.HTTPError, OverloadedError) as error:
            _log.warning("webhook_failed", message_id=message_id, reason=type(error).__name__)
            return "again"
        except UrlError as error:
            # A name that has no address today may have one tomorrow; a host that may not be called stays so.
            _log.warning("webhook_failed", message_id=message_id, reason=error.code)
            return "again" if error.code == "url_unreachable" else "never"
        if 200 <= status < 300:
            return "delivered"
        _log.warning("webhook_failed", message_id=message_id, reason=f"status {status}")
        return "never" if status == HTTPStatus.GONE else "again"
