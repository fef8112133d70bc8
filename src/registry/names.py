"""How models are named: a file, `models:/name@alias` or `models:/name/version`; and a version's facts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from src.utils.errors import ConfigError, ModelError, NotFoundError

MODEL_NAME = "photo-detector"
CHAMPION, CHALLENGER = "champion", "challenger"

FOLDER = "model"
"""Where a version's files lie below its run's artifacts."""
MODEL_FILE, CARD_FILE, REPORT_FILE = "model.onnx", "card.json", "report.json"
REFERENCE_FILE = "model.reference.npz"
"""The drift reference, beside the model as everywhere."""

SHA256_TAG = "sha256"
REFERENCE_TAG = "drift_reference_sha256"

_SCHEME = "models:/"
_URI = re.compile(r"models:/(?P<name>[^/@\s]+)(?:@(?P<alias>[^/@\s]+)|/(?P<version>[1-9]\d*))")


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A model in the registry, by alias or by version; exactly one of them is set."""

    name: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return f"{_SCHEME}{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


@dataclass(frozen=True, slots=True)
class Version:
    """What the registry knows of one version.

    Attributes:
        source: Address of the folder that holds its files.
        run_id: The MLflow run that registered it.
        tags: Facts of the model: `sha256`, `bytes`, `card_version`, `data_hash`, `git_commit` and others.
        aliases: Such as `champion`; known where the registry was asked for one version.
    """

    name: str
    version: int
    source: str
    run_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of the model file, in hex.

        Raises:
            ModelError: The version was not registered by this project's command.
        """
        digest = self.tags.get(SHA256_TAG, "")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ModelError(f"version {self.version} names no sha256: use `detector models register`")
        return digest

    @property
    def reference_sha256(self) -> str | None:
        """Digest of the drift reference, in hex; None for a version that was registered without one."""
        return self.tags.get(REFERENCE_TAG) or None


def parse_uri(text: str) -> ModelUri | Path:
    """Read a model's name.

    Raises:
        ConfigError: It begins like a registry's URI and is none.
    """
    if not text.startswith("models:"):
        return Path(text)
    found = _URI.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"a registered model reads models:/name@alias or models:/name/version, not {text!r}"
        )
    version = found["version"]
    return ModelUri(found["name"], alias=found["alias"], version=int(version) if version else None)


def copied_here(version: Version, name: str, target: Path) -> bool:
    """Copy one of a version's files when they lie in a folder of this machine; False when they do not.

    Raises:
        NotFoundError: They should, and there is no such file.
    """
    place = urlsplit(version.source)
    if place.scheme not in {"", "file"}:
        return False
    local = Path(unquote(place.path)) / name
    if not local.is_file():
        raise NotFoundError(f"version {version.version} has no file {name} that can be read from here")
    shutil.copyfile(local, target)
    return True
