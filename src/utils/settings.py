"""Every setting of service and CLI, read once from `DETECTOR_*` variables and passed on as one object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from src.utils.cores import usable_cores
from src.utils.errors import ConfigError


def _split(value: object) -> object:
    """Take a list as people write it into a variable: comma-separated."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _place(value: object) -> object:
    """Take a folder also as a path; an empty variable is none."""
    return str(value) if isinstance(value, Path) else value or None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Validated settings; the defaults serve the shipped model on one machine.

    Attributes:
        model_path: The model file to serve.
        model_uri: The model to serve instead: a file, `models:/name@alias` or `models:/name/version`.
        challenger_uri: A model that judges the same photos unseen, beside the one that is served.
        canary_share: Share of photos, chosen by their content, that the challenger answers.
        registry_uri: Where `models:/` is looked up: an MLflow server, or what its library opens.
        model_poll_s: Seconds between two looks whether the served model has changed; 0 never looks again.
        model_cache: Folder for models that were fetched from the registry.
        max_bytes: Largest photo in bytes.
        max_pixels: Most pixels (width x height) of a photo, checked before it is decoded.
        max_decoder_bytes: Most bytes that a decoder may hold for one photo, by an estimate from its header.
        max_side: Longest side in pixels.
        min_side: Shortest side in pixels that still says something.
        max_aspect: Longer side divided by the shorter one.
        max_frames: Most frames of an animation or pages of a document.
        intra_op_threads: Threads of one inference; all cores by default.
        workers: Photos decoded at once; by default as many as there are cores, at least 2 and at most 8: each
            may hold `max_decoder_bytes`.
        max_batch: Most photos that one inference takes; it takes what waits and never waits for more.
        queue_size: Photos that may wait beyond those being decoded before `overloaded` is answered.
        max_inflight_bytes: Bytes of all uploads that are being read or worked on, together.
        deadline_s: Seconds from the end of the upload until an answer must be there.
        upload_timeout_s: Seconds a client may take to send its photo.
        cache_entries: Verdicts kept by content, for the same bytes sent again; 0 keeps none.
        drain_s: Seconds between SIGTERM, when readiness goes off, and the end of listening.
        finish_s: Seconds after that in which all must be finished: uploads that are not complete after half
            of them are refused. With `drain_s` it must be less than what an orchestrator waits for.
        max_batch_files: Most photos in one `/predict/batch`.
        max_batch_bytes: Largest body of one `/predict/batch`.
        batch_deadline_s: Seconds until every photo of a batch must be answered.
        max_jobs: Jobs (`/predict/jobs`) that are worked on at once; one more is `overloaded`.
        webhook_hosts: Hosts that may be told of a job's end, written like `url_hosts`; none turns that off.
        webhook_secret: What these messages are signed with: `whsec_` and 24 to 64 bytes in base64.
        webhook_timeout_s: Seconds that one attempt to tell may take.
        url_hosts: Hosts that `/predict/url` may fetch from, `*.shop.example` for all below one; none turns
            the endpoint off.
        url_timeout_s: Seconds that fetching a photo may take, redirects included.
        url_concurrency: Photos fetched at once; one more is `overloaded`.
        keys_file: API keys; once it exists, nobody enters without one. See `detector keys`.
        allow_open: Serve addresses beyond loopback although there are no API keys, with a warning; false
            refuses to start so, and is what a public service should say.
        rate_limit: Requests a key, or without keys an address, may make, such as `600/minute`.
        rate_limit_url: Where the counts are: `memory://` for one process, `redis://host:6379` for many.
        trusted_proxies: Networks whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`.
        cors_origins: Origins whose pages may call the service.
        hsts: Tell browsers to come back by HTTPS only.
        metrics_open: Answer `/metrics` without a key.
        store_url: Where predictions are kept: SQLite, `postgresql+psycopg://...`, or empty for nowhere.
        store_timeout_s: Seconds until a prediction that is not durable yet is spooled instead.
        spool_dir: Where predictions wait while the store is down.
        spool_bytes: Most bytes that may wait there.
        retention_days: Age in days at which predictions are deleted; 0 keeps them.
        store_images: Folder, or bucket such as `s3://name/prefix`, that keeps the photos themselves; by
            default they are not kept.
        image_days: Age in days at which kept photos are deleted.
        drift_every_s: Seconds between two looks at the traffic for drift; 0 looks never.
        trust_anchors: PEM file of the authorities whose C2PA claims are believed.
        provenance_timeout_s: Seconds that reading a C2PA manifest may take; a reply waits for a photo's
            metadata half as long again, and goes without them then.
        otlp_endpoint: Collector that traces are sent to, such as `http://collector:4318`; none sends none.
        log_level: Least severe level that is logged.
        log_json: JSON lines for machines; otherwise text for people.
    """

    model_config = SettingsConfigDict(
        env_prefix="DETECTOR_", frozen=True, extra="forbid", protected_namespaces=()
    )

    model_path: Path = Path("models/detector.onnx")
    model_uri: str = ""
    challenger_uri: str = ""
    canary_share: float = Field(default=0.0, ge=0.0, le=1.0)
    registry_uri: str = Field(default="sqlite:///mlflow.db", repr=False)
    model_poll_s: float = Field(default=2.0, ge=0.0)
    model_cache: Path = Path("var/models")
    max_bytes: int = Field(default=25 * 2**20, ge=1024)
    max_pixels: int = Field(default=60_000_000, ge=1024, le=178_956_970)
    max_decoder_bytes: int = Field(default=300_000_000, ge=1_000_000)
    max_side: int = Field(default=20_000, ge=16)
    min_side: int = Field(default=16, ge=1)
    max_aspect: float = Field(default=16.0, ge=1.0)
    max_frames: int = Field(default=1_000, ge=1)

    intra_op_threads: int | None = Field(default=None, ge=1, le=256)
    workers: int = Field(default_factory=lambda: min(8, max(2, usable_cores())), ge=1, le=64)
    max_batch: int = Field(default=4, ge=1, le=256)
    queue_size: int = Field(default=32, ge=0, le=10_000)
    max_inflight_bytes: int = Field(default=256 * 2**20, ge=2**20)
    deadline_s: float = Field(default=10.0, gt=0.0)
    upload_timeout_s: float = Field(default=30.0, gt=0.0)
    cache_entries: int = Field(default=1024, ge=0)
    drain_s: float = Field(default=1.0, ge=0.0, le=300.0)
    finish_s: float = Field(default=6.0, gt=0.0, le=3600.0)

    max_batch_files: int = Field(default=32, ge=1, le=1000)
    max_batch_bytes: int = Field(default=100 * 2**20, ge=1024)
    batch_deadline_s: float = Field(default=120.0, gt=0.0)
    max_jobs: int = Field(default=4, ge=1, le=1000)
    webhook_hosts: Names = ()
    webhook_secret: str = Field(default="", repr=False)
    webhook_timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)
    url_hosts: Names = ()
    url_timeout_s: float = Field(default=10.0, gt=0.0)
    url_concurrency: int = Field(default=8, ge=1, le=1000)

    keys_file: Path = Path("var/keys.json")
    allow_open: bool = True
    rate_limit: str = ""
    rate_limit_url: str = Field(default="memory://", repr=False)
    trusted_proxies: Names = ()
    cors_origins: Names = ()
    hsts: bool = False
    metrics_open: bool = False

    store_url: str = Field(default="sqlite:///var/detector.db", repr=False)
    store_timeout_s: float = Field(default=2.0, gt=0.0)
    spool_dir: Path = Path("var/spool")
    spool_bytes: int = Field(default=64 * 2**20, ge=0)
    retention_days: int = Field(default=0, ge=0)
    store_images: Annotated[str | None, BeforeValidator(_place)] = None
    image_days: int = Field(default=30, ge=1)

    drift_every_s: float = Field(default=30.0, ge=0.0)

    trust_anchors: Path | None = None
    provenance_timeout_s: float = Field(default=2.0, gt=0.0)

    otlp_endpoint: str = ""
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    log_json: bool = True


SECRETS = Path("/run/secrets")
"""Where containers find secrets: a file `detector_store_url` counts like the variable DETECTOR_STORE_URL."""


def load_settings(secrets: Path = SECRETS) -> Settings:
    """Read the settings from the environment, and those that it lacks from files in `secrets`.

    Raises:
        ConfigError: A variable has a value that is not allowed, and the message names it, or a secret cannot
            be read.
    """
    try:
        return Settings(_secrets_dir=secrets if secrets.is_dir() else None)
    except OSError as error:
        raise ConfigError(f"a secret in {secrets} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"DETECTOR_{name}: {first['msg']}") from error
