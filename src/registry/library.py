"""The MLflow library behind a small face: for stores that are no HTTP server, and for all that writes."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from src.registry.names import ModelUri, Version, copied_here
from src.utils.errors import ConfigError, NotFoundError, RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

Result = TypeVar("Result")

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


def open_client(tracking_uri: str) -> MlflowClient:
    """Load the library and open a tracking store; a new SQLite file gets its tables.

    Raises:
        ConfigError: MLflow is not installed here.
        RegistryError: The store cannot be opened.
    """
    # MLflow reports its use to its makers unless told not to, before it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - heavy, and not installed where photos are served
    except ImportError as error:
        raise ConfigError(
            "a registry that is no HTTP server needs the MLflow library: "
            "install the extra `train`, or set DETECTOR_REGISTRY_URI to a server"
        ) from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return calling(lambda: MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri))


def calling(work: Callable[[], Result], what: str = "that") -> Result:
    """Run a call of the library with its errors told in ours.

    Raises:
        NotFoundError: The registry has no `what`.
        RegistryError: Any other failure of the store.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        return work()
    except MlflowException as error:
        if error.error_code in _ABSENT:
            raise NotFoundError(f"the registry has no {what}") from error
        raise RegistryError(f"the registry failed: {error.error_code}") from error
    except (OSError, SQLAlchemyError) as error:
        raise RegistryError(f"the registry cannot be reached: {type(error).__name__}") from error


class LibraryReader:
    """Reads a tracking store by the library.

    Args:
        tracking_uri: As MLflow takes it, such as `sqlite:///mlflow.db`.

    Raises:
        ConfigError: MLflow is not installed here.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self.client = open_client(tracking_uri)

    def close(self) -> None:
        """Nothing is held."""

    def find(self, uri: ModelUri) -> Version:
        """Ask what a URI means now.

        Raises:
            NotFoundError: The registry has no such model, alias or version.
            RegistryError: The store fails.
        """
        if uri.alias is not None:
            alias = uri.alias
            found = calling(lambda: self.client.get_model_version_by_alias(uri.name, alias), str(uri))
        else:
            found = calling(lambda: self.client.get_model_version(uri.name, str(uri.version)), str(uri))
        return as_version(found)

    def download(self, version: Version, name: str, target: Path) -> None:
        """Write one of a version's files to `target`.

        Raises:
            NotFoundError: The version has no such file.
            RegistryError: The store fails.
        """
        if copied_here(version, name, target):
            return
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - heavy

        with tempfile.TemporaryDirectory(prefix="detector-model-") as folder:
            found = calling(
                lambda: download_artifacts(
                    artifact_uri=f"{version.source}/{name}", dst_path=folder, tracking_uri=self.tracking_uri
                ),
                f"file {name} of version {version.version}",
            )
            shutil.copyfile(found, target)


def as_version(found: Any) -> Version:  # noqa: ANN401 - MLflow ships no types
    """MLflow's own record in ours."""
    return Version(
        name=found.name,
        version=int(found.version),
        source=found.source,
        run_id=found.run_id or "",
        tags=dict(found.tags),
        aliases=tuple(found.aliases),
    )
