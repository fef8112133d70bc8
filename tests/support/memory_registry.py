"""A registry in memory that the service takes for MLflow: aliases move, files break, the server is lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from src.registry.names import ModelUri, Version
from src.utils.errors import NotFoundError, RegistryError


@dataclass
class MemoryRegistry:
    """What `src.registry.resolve.open_reader` gives in these tests."""

    aliases: dict[str, int] = field(default_factory=dict)
    away: bool = False
    downloads: list[int] = field(default_factory=list)
    files: dict[int, bytes] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    def add(self, content: bytes, *, digest: str = "") -> int:
        """Register a file; `digest` is a lie about it."""
        number = len(self.files) + 1
        self.files[number] = content
        self.digests[number] = digest or hashlib.sha256(content).hexdigest()
        return number

    def find(self, uri: ModelUri) -> Version:
        self._check()
        number = uri.version if uri.alias is None else self.aliases.get(uri.alias)
        if number not in self.files:
            raise NotFoundError(f"the registry has no {uri}")
        return Version(uri.name, number, "memory:/", tags={"sha256": self.digests[number]})

    def download(self, version: Version, name: str, target: Path) -> None:
        self._check()
        assert name == "model.onnx"
        self.downloads.append(version.version)
        target.write_bytes(self.files[version.version])

    def close(self) -> None:
        """Nothing is held."""

    def _check(self) -> None:
        if self.away:
            raise RegistryError("the registry cannot be reached: ConnectError")
