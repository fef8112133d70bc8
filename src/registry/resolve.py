"""From a model's name to a file on this machine, checked by its digest; each file is fetched once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from src.registry.names import MODEL_FILE, REFERENCE_FILE, ModelUri, Version, parse_uri
from src.registry.onnx_file import file_sha256
from src.utils.errors import ModelError

DEFAULT_REGISTRY = "sqlite:///mlflow.db"


class Reader(Protocol):
    """What is read of a registry, by HTTP or by the library."""

    def find(self, uri: ModelUri) -> Version:
        """Ask what a URI means now."""
        ...

    def download(self, version: Version, name: str, target: Path) -> None:
        """Write one of a version's files to `target`."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a URI means now.

    Attributes:
        identity: Changes exactly when another file would be loaded.
        version: In the registry; None for a plain file.
        path: Of a plain file, or of a version whose file is here for sure.
    """

    identity: str
    version: Version | None = None
    path: Path | None = None


def open_reader(registry_uri: str) -> Reader:
    """A reader for a registry's address: an HTTP server, or whatever the MLflow library opens.

    Raises:
        ConfigError: The library is needed and not installed.
    """
    if registry_uri.startswith(("http://", "https://")):
        from src.registry.rest import RestReader  # noqa: PLC0415 - each needs a library of its own

        return RestReader(registry_uri)
    from src.registry.library import LibraryReader  # noqa: PLC0415 - as above

    return LibraryReader(registry_uri)


class Resolver:
    """Looks up one URI again and again, as cheaply as that can be done.

    Args:
        uri: A plain file, `models:/name@alias` or `models:/name/version`.
        cache: Folder for fetched files.
        registry_uri: Where the registry is; only asked for `models:/`.

    Raises:
        ConfigError: The URI is none.
    """

    def __init__(self, uri: str, cache: Path, registry_uri: str = DEFAULT_REGISTRY) -> None:
        self._target = parse_uri(uri)
        self._cache = cache
        self._registry_uri = registry_uri
        self._reader: Reader | None = None

    def close(self) -> None:
        """Let go of the registry."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def look(self) -> Found:
        """Ask what the URI means now; nothing is fetched.

        Raises:
            ModelError: No such file, or a version without a digest.
            NotFoundError: The registry has no such model, alias or version.
            RegistryError: The registry cannot be reached.
            ConfigError: It needs a library that is not installed.
        """
        if isinstance(self._target, Path):
            try:
                facts = self._target.stat()
            except OSError as error:
                raise ModelError(f"no model file {self._target.name!r}") from error
            return Found(f"{facts.st_ino}:{facts.st_mtime_ns}:{facts.st_size}", path=self._target)
        if self._reader is None:
            self._reader = open_reader(self._registry_uri)
        version = self._reader.find(self._target)
        return Found(_identity(version), version=version)

    def remember(self, found: Found) -> None:
        """Note in the cache that this version is in use, for a start while the registry is away."""
        if found.version is None:
            return
        note = self._note()
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(".part")
        draft.write_text(json.dumps(asdict(found.version)), encoding="utf-8")
        draft.replace(note)

    def recall(self) -> Found | None:
        """What was in use last, if its file is still here and whole."""
        try:
            version = Version(**json.loads(self._note().read_text(encoding="utf-8")))
            path = self._cache / f"{version.sha256}.onnx"
            if file_sha256(path) != version.sha256:
                return None
        except (OSError, ValueError, TypeError, ModelError):
            return None  # no note, or one that says nothing: as if there were none
        return Found(_identity(version), version=version, path=path)

    def fetch(self, found: Found) -> Path:
        """Have the file here.

        Raises:
            ModelError: The file is not the one that was registered.
            NotFoundError: As for `look`.
            RegistryError: As for `look`.
        """
        if found.path is not None:
            return found.path
        if found.version is None or self._reader is None:
            raise ModelError("a version must be looked up before it is fetched")
        return fetch(self._reader, found.version, self._cache)

    def _note(self) -> Path:
        name = hashlib.sha256(f"{self._registry_uri} {self._target}".encode()).hexdigest()[:16]
        return self._cache / f"{name}.json"


def _identity(version: Version) -> str:
    return f"{version.name}/{version.version}:{version.sha256}"


def fetch(reader: Reader, version: Version, cache: Path) -> Path:
    """Have a version's model file in `cache`, its drift reference beside it; what is there whole is used.

    Raises:
        ModelError: What came is not the file that was registered.
        NotFoundError: The version has no model file, or not the reference that it was registered with.
        RegistryError: The registry cannot be reached.
    """
    target = cache / f"{version.sha256}.onnx"
    if version.reference_sha256 is not None:
        # First: a model must not be found here without what its traffic is compared with.
        beside = cache / f"{version.sha256}.reference.npz"
        _have(reader, version, REFERENCE_FILE, beside, version.reference_sha256)
    _have(reader, version, MODEL_FILE, target, version.sha256)
    return target


def _have(reader: Reader, version: Version, name: str, target: Path, sha256: str) -> None:
    """Have one file of a version here, checked by its digest."""
    if target.is_file() and file_sha256(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".part-", dir=target.parent)
    os.close(handle)
    try:
        reader.download(version, name, Path(draft))
        if file_sha256(Path(draft)) != sha256:
            raise ModelError(f"{name} of version {version.version} is not the file that was registered")
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)


def resolve(uri: str, cache: Path, registry_uri: str = DEFAULT_REGISTRY) -> Path:
    """Find a model's file, fetching it when it is not here yet.

    Args:
        uri: A plain file, `models:/name@alias` or `models:/name/version`.
        cache: Folder for fetched files.
        registry_uri: Where the registry is.

    Raises:
        ConfigError: The URI is none, or a library is missing.
        ModelError: No such file, or not the one that was registered.
        NotFoundError: The registry has no such model, alias or version.
        RegistryError: The registry cannot be reached.
    """
    resolver = Resolver(uri, cache, registry_uri)
    try:
        return resolver.fetch(resolver.look())
    finally:
        resolver.close()
