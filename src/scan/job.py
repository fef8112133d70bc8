"""Everything that a worker needs to know, small enough to be sent: the model, the limits, where rows go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.scan.plan import Plan
from src.utils.errors import ModelError
from src.utils.settings import Settings

if TYPE_CHECKING:
    from src.inference.detector import Detector
    from src.inference.provenance.manifests import ManifestReader
    from src.inference.session import Device
    from src.scan.readers import Reader


_NEEDED = ("url_hosts", "url_timeout_s", "trust_anchors", "provenance_timeout_s")
"""Settings that a worker works by, beside the limits of photos."""


def without_secrets(settings: Settings) -> Settings:
    """What a worker needs of the settings, all else as by default.

    A job is sent to every machine of a cluster and kept by it; addresses of databases hold passwords.
    """
    from src.inference.photo import limits_of  # noqa: PLC0415 - heavy

    needed = {name: getattr(settings, name) for name in _NEEDED}
    return Settings.model_construct(**limits_of(settings).model_dump(), **needed)


@dataclass(frozen=True)
class Job:
    """A scan by one model.

    Attributes:
        dest: Address of the destination.
        plan: What is scanned.
        model: The model file, on the machine that works.
        model_sha256: Of its bytes, in hex.
        model_version: Of its card; names the partition.
        policy: Of its card; the one that was asked for, or its default.
        settings: Limits of photos, and who may be fetched from; as `without_secrets` gives them.
        device: What computes, on the machine that works.
        retry: Ask again for photos that could not be read, in shards that have a file.
    """

    dest: str
    plan: Plan
    model: Path
    model_sha256: str
    model_version: str
    policy: str
    settings: Settings
    device: Device = "cpu"
    retry: bool = False

    @property
    def folder(self) -> str:
        """Where the rows are, in the destination; Hive's way of naming a partition."""
        return f"model_version={self.model_version}"

    def file(self, shard: int) -> str:
        """Where the rows of a shard are, in the destination."""
        return f"{self.folder}/shard-{shard:07}.parquet"

    def detector(self) -> Detector:
        """Load the model, for one thread: more processes scale better than more threads.

        Raises:
            ModelError: The file is missing, not usable, or another one than the scan began with.
            ConfigError: A GPU was asked for, and there is none.
        """
        from src.inference.detector import Detector  # noqa: PLC0415 - the driver needs no model

        settings = self.settings.model_copy(update={"model_path": self.model, "intra_op_threads": 1})
        if sha256_of(self.model) != self.model_sha256:
            raise ModelError("the model file changed while the scan ran")
        return Detector.from_settings(settings, self.device)

    def manifests(self) -> ManifestReader:
        """Who reads C2PA manifests, as the service does.

        Raises:
            ConfigError: The trust list cannot be used.
        """
        from src.inference.provenance.manifests import ManifestReader  # noqa: PLC0415 - as above

        return ManifestReader.from_file(
            self.settings.trust_anchors, timeout_s=self.settings.provenance_timeout_s
        )

    def reader(self) -> Reader:
        """Who reads the inputs."""
        from src.inference.remote import Fetcher  # noqa: PLC0415 - as above
        from src.scan.readers import Reader  # noqa: PLC0415 - as above

        def fetcher() -> Fetcher:
            return Fetcher(
                self.settings.url_hosts,
                max_bytes=self.settings.max_bytes,
                timeout_s=self.settings.url_timeout_s,
                concurrency=32,
            )

        return Reader(self.settings.max_bytes, self.plan.column, fetcher)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        ModelError: There is no such file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"no model file {path.name!r}; start in the checkout or set DETECTOR_MODEL_PATH"
        ) from error
