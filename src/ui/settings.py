"""Settings of the page, read once from `DETECTOR_UI_*` variables and from secret files."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from src.utils.errors import ConfigError
from src.utils.settings import SECRETS


class UiSettings(BaseSettings):
    """Where the service is, and how much one person may ask of the page.

    Attributes:
        api_url: The service; `DETECTOR_API_URL` is read too.
        api_key: Its key, also from the secret file `detector_api_key`; without one a person may type one in.
        public_api_url: The service's address as people reach it, where it differs; shown, never called.
        grafana_url: Where the dashboards are; no link without it.
        mlflow_url: Where the model registry is; no link without it.
        alertmanager_url: Where alerts are; no link without it.
        timeout_s: Seconds that one call may wait.
        catalogue_photos: Most photos of one catalogue.
        catalogue_bytes: Most bytes of a catalogue after unpacking.
        photo_bytes: Most bytes that are unpacked of one photo; keep it above the service's own limit, so that
            the service tells what is too large.
        workers: Photos of a catalogue on their way to the service at once.
    """

    model_config = SettingsConfigDict(env_prefix="DETECTOR_UI_", frozen=True, extra="ignore")

    api_url: str = Field(
        default="http://127.0.0.1:8000",
        validation_alias=AliasChoices("DETECTOR_UI_API_URL", "DETECTOR_API_URL"),
    )
    api_key: str = Field(
        default="",
        repr=False,
        validation_alias=AliasChoices("DETECTOR_UI_API_KEY", "DETECTOR_API_KEY"),
    )
    public_api_url: str = ""
    grafana_url: str = ""
    mlflow_url: str = ""
    alertmanager_url: str = ""
    timeout_s: float = Field(default=30.0, gt=0.0)
    catalogue_photos: int = Field(default=2_000, ge=1)
    catalogue_bytes: int = Field(default=2 * 2**30, ge=1024)
    photo_bytes: int = Field(default=32 * 2**20, ge=1024)
    workers: int = Field(default=3, ge=1, le=32)


def load_ui_settings(secrets: Path = SECRETS) -> UiSettings:
    """Read the settings from the environment, and the key from a secret file where there is one.

    Raises:
        ConfigError: A variable has a value that is not allowed, or a secret cannot be read.
    """
    try:
        return UiSettings(_secrets_dir=secrets if secrets.is_dir() else None)
    except OSError as error:
        raise ConfigError(f"a secret in {secrets} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper().removeprefix("DETECTOR_UI_")
        raise ConfigError(f"DETECTOR_UI_{name}: {first['msg']}") from error
