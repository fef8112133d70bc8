"""The training configuration comes in, the generators that it wants held out come out.

Splits and training must agree on them, so both read one file; the splits' commands need nothing else of it.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from src.utils.errors import ConfigError

TRAIN_CONFIG = Path("configs/train_config.yaml")


class _Part(BaseModel):
    # The other keys are training's own, which checks them.
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Data(_Part):
    held_out_generators: tuple[str, ...] = ()


class _Config(_Part):
    data: _Data = _Data()


def held_out_of(config: Path, named: Sequence[str] | None = None) -> tuple[str, ...]:
    """Generators to hold out: those `named`, else those under `data.held_out_generators` of a YAML file.

    Args:
        config: A training configuration; one that is not there holds nothing out.
        named: Given on the command line; they take the file's place.

    Raises:
        ConfigError: the file is no YAML, or the entry is no list of names.
    """
    if named:
        return tuple(named)
    try:
        return _Config.model_validate(
            yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        ).data.held_out_generators
    except FileNotFoundError:
        return ()
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config.name}: data.held_out_generators cannot be read") from error
