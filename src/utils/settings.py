"""Every setting of service and CLI, read once from `DETECTOR_*` variables and passed on as one object."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from src.utils.errors import ConfigError


class Settings(BaseSettings):
    """Validated settings; the defaults serve the shipped model on one machine.

    Attributes:
        model_path: The model file to serve.
        max_bytes: Largest photo in bytes.
        max_pixels: Most pixels (width x height) of a photo, checked before it is decoded.
        max_decoder_bytes: Most bytes that a decoder may hold for one photo, by an estimate from its header.
        max_side: Longest side in pixels.
        min_side: Shortest side in pixels that still says something.
        max_aspect: Longer side divided by the shorter one.
        max_frames: Most frames of an animation or pages of a document.
        intra_op_threads: Threads of one inference; all cores by default.
        workers: Photos worked on at once.
        queue_size: Photos that may wait beyond these before `overloaded` is answered.
        deadline_s: Seconds from the end of the upload until an answer must be there.
        upload_timeout_s: Seconds a client may take to send its photo.
        log_level: Least severe level that is logged.
        log_json: JSON lines for machines; otherwise text for people.
    """

    model_config = SettingsConfigDict(
        env_prefix="DETECTOR_", frozen=True, extra="forbid", protected_namespaces=()
    )

    model_path: Path = Path("models/detector.onnx")
    max_bytes: int = Field(default=25 * 2**20, ge=1024)
    max_pixels: int = Field(default=60_000_000, ge=1024, le=178_956_970)
    max_decoder_bytes: int = Field(default=300_000_000, ge=1_000_000)
    max_side: int = Field(default=20_000, ge=16)
    min_side: int = Field(default=16, ge=1)
    max_aspect: float = Field(default=16.0, ge=1.0)
    max_frames: int = Field(default=1_000, ge=1)
    intra_op_threads: int | None = Field(default=None, ge=1, le=256)
    workers: int = Field(default=2, ge=1, le=64)
    queue_size: int = Field(default=32, ge=0, le=10_000)
    deadline_s: float = Field(default=10.0, gt=0.0)
    upload_timeout_s: float = Field(default=30.0, gt=0.0)
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    log_json: bool = True


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigError: A variable has a value that is not allowed; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"DETECTOR_{name}: {first['msg']}") from error
