"""Every error this project raises on purpose, each with a stable code that the API and the CLI translate."""

from __future__ import annotations

from typing import Literal

TooLargeCode = Literal["file_too_large", "too_many_pixels", "side_too_long", "too_many_frames"]


class DetectorError(Exception):
    """Base of all errors that are meant for a reader.

    Attributes:
        code: Machine-readable, never changed once released.
        message: One English sentence for people; holds no path and no bytes of the input.
    """

    code: str = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ImageError(DetectorError):
    """A photo that cannot be used; the sender can mend it, the service is healthy."""

    code = "image_invalid"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        # `args` must mirror this signature, or the error does not survive pickling between processes.
        self.args = (code, message)
        self.code = code


class EmptyImage(ImageError):  # noqa: N818
    """No bytes at all."""

    code = "empty_file"

    def __init__(self, message: str = "The file is empty.") -> None:
        super().__init__(type(self).code, message)
        self.args = (message,)


class UnsupportedImage(ImageError):  # noqa: N818
    """The bytes are not one of the image formats that are read here, whatever the name says."""

    code = "unsupported_format"

    def __init__(self, message: str = "The file is not a supported image.") -> None:
        super().__init__(type(self).code, message)
        self.args = (message,)


class CorruptImage(ImageError):  # noqa: N818
    """The format is known, but the content is truncated or damaged."""

    code = "corrupt_image"

    def __init__(self, message: str = "The image is truncated or damaged.") -> None:
        super().__init__(type(self).code, message)
        self.args = (message,)


class ImageTooLarge(ImageError):  # noqa: N818
    """A limit on bytes, pixels, sides or frames is exceeded; `code` says which one."""

    def __init__(self, code: TooLargeCode, message: str) -> None:
        super().__init__(code, message)


class ImageTooSmall(ImageError):  # noqa: N818
    """Too few pixels to say anything about the photo."""

    code = "image_too_small"

    def __init__(self, message: str = "The image is too small.") -> None:
        super().__init__(type(self).code, message)
        self.args = (message,)


class ImageTooElongated(ImageError):  # noqa: N818
    """A strip: once its long side is brought to what the network sees, its short side shows nothing."""

    code = "too_elongated"

    def __init__(self, message: str = "The image is too elongated.") -> None:
        super().__init__(type(self).code, message)
        self.args = (message,)


class ModelError(DetectorError):
    """A model file or its card is missing, damaged or of another contract."""

    code = "model_invalid"


class DataError(DetectorError):
    """A manifest, split or stored photo contradicts the data's schema."""

    code = "data_invalid"


class ConfigError(DetectorError):
    """A setting or configuration file has a wrong or unknown value."""

    code = "config_invalid"


class PolicyError(DetectorError):
    """A threshold policy was asked for that the model card does not have."""

    code = "unknown_policy"


class OverloadedError(DetectorError):
    """More work is waiting than can be done in time; asking again later helps."""

    code = "overloaded"


class DeadlineError(DetectorError):
    """The answer would have come too late, so the work was dropped."""

    code = "deadline_exceeded"


class NotReadyError(DetectorError):
    """The service is up but has no warm model yet, or none that loads."""

    code = "model_not_ready"


class ShuttingDownError(DetectorError):
    """The service goes down and cannot wait for the rest of a request; another replica can."""

    code = "shutting_down"


class RequestError(DetectorError):
    """A request that is not formed as the API asks, whatever its photo holds."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.args = (code, message)
        self.code = code


class ScanError(DetectorError):
    """A scan that had to stop, as where its destination is full; what is finished stays, and it resumes."""

    code = "scan_stopped"


class StoreError(DetectorError):
    """The store cannot be reached or cannot write now; nothing was changed, and asking again later helps."""

    code = "store_unavailable"


class RegistryError(DetectorError):
    """The model registry cannot be reached, or holds what was not written by this project."""

    code = "registry_unavailable"


class PromotionRefused(DetectorError):  # noqa: N818
    """A model that does not pass every gate; the champion stays."""

    code = "promotion_refused"


class NotFoundError(DetectorError):
    """Nothing is kept under the id that was asked for."""

    code = "not_found"


class PhotoNotKept(NotFoundError):  # noqa: N818
    """A prediction whose photo is not kept, or no longer."""

    code = "photo_not_kept"


class IdempotencyConflict(DetectorError):  # noqa: N818
    """An idempotency key was used before, for another body."""

    code = "idempotency_conflict"


class AccessError(DetectorError):
    """A request that may not pass: `unauthenticated`, `forbidden`, or `keys_required`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.args = (code, message)
        self.code = code


class RateLimitedError(DetectorError):
    """A client that asks more often than it may.

    Attributes:
        retry_after_s: Seconds until its next request would pass.
    """

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.args = (message, retry_after_s)
        self.retry_after_s = retry_after_s


class UrlError(DetectorError):
    """A photo's address that may not be fetched (`url_not_allowed`) or cannot be (`url_unreachable`)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.args = (code, message)
        self.code = code
