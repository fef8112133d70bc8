"""Where `make data` takes the originals from, read once from `DETECTOR_DATA_*` variables."""

from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from src.data.fetch import DEFAULT_BASE_URL
from src.utils.errors import ConfigError


class DataSettings(BaseSettings):
    """Sources of the originals; a command's own options win over them.

    Attributes:
        base_url: Where `{repo}/{commit}/{path}` is served.
        mirrors: Folder of bare git mirrors to take originals from instead.
    """

    model_config = SettingsConfigDict(env_prefix="DETECTOR_DATA_", frozen=True, extra="forbid")

    base_url: str = DEFAULT_BASE_URL
    mirrors: Path | None = None


def load_data_settings() -> DataSettings:
    """Read the settings from the environment.

    Raises:
        ConfigError: A variable has a value that is not allowed; the message names it.
    """
    try:
        return DataSettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"DETECTOR_DATA_{name}: {first['msg']}") from error
