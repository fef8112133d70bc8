"""Reads an MLflow server over HTTP without the MLflow library: enough for a service that follows an alias."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from src.registry.names import ModelUri, Version, copied_here
from src.utils.errors import ConfigError, NotFoundError, RegistryError

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_TIMEOUT_S = 20.0


class RestReader:
    """One MLflow server.

    Args:
        base_url: Such as `http://mlflow:5000`; a user and a password in it are sent as basic authentication.
        transport: Of tests.
    """

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=_TIMEOUT_S, transport=transport)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def find(self, uri: ModelUri) -> Version:
        """Ask what a URI means now.

        Raises:
            NotFoundError: The registry has no such model, alias or version.
            RegistryError: The server cannot be reached or does not answer as MLflow does.
        """
        if uri.alias is not None:
            route, query = "registered-models/alias", {"name": uri.name, "alias": uri.alias}
        else:
            route, query = "model-versions/get", {"name": uri.name, "version": str(uri.version)}
        reply = self._get(f"{_API}/{route}", query)
        if reply.status_code == httpx.codes.NOT_FOUND or _code(reply) in {
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",  # MLflow's word for an alias that is not set
        }:
            raise NotFoundError(f"the registry has no {uri}")
        return _version(_body(reply).get("model_version"))

    def download(self, version: Version, name: str, target: Path) -> None:
        """Write one of a version's files to `target`.

        Raises:
            NotFoundError: The version has no such file.
            RegistryError: As for `find`.
            ConfigError: The files lie where only a client of that store can read them.
        """
        if copied_here(version, name, target):
            return
        place = urlsplit(version.source)
        if place.scheme != "mlflow-artifacts":
            raise ConfigError(
                f"the server keeps models at {place.scheme}://: start it with --serve-artifacts, its default"
            )
        route = f"{_ARTIFACTS}/{quote(unquote(place.path).strip('/'))}/{quote(name)}"
        try:
            with self._client.stream("GET", route) as reply:
                if reply.status_code == httpx.codes.NOT_FOUND:
                    raise NotFoundError(f"version {version.version} has no file {name}")
                if reply.is_error:
                    raise RegistryError(f"the registry answered {reply.status_code} to a download")
                with target.open("wb") as stream:
                    for chunk in reply.iter_bytes():
                        stream.write(chunk)
        except httpx.HTTPError as error:
            raise _away(error) from error

    def _get(self, route: str, query: dict[str, str]) -> httpx.Response:
        try:
            return self._client.get(route, params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _away(error) from error


def _away(error: Exception) -> RegistryError:
    # Its text may hold an address with a password.
    return RegistryError(f"the registry cannot be reached: {type(error).__name__}")


def _code(reply: httpx.Response) -> str:
    try:
        body = reply.json()
    except ValueError:
        return ""
    return str(body.get("error_code", "")) if isinstance(body, dict) else ""


def _body(reply: httpx.Response) -> dict[str, Any]:
    if reply.is_error:
        raise RegistryError(f"the registry answered {reply.status_code}")
    try:
        body = reply.json()
    except ValueError as error:
        raise RegistryError("the registry's answer is no JSON") from error
    if not isinstance(body, dict):
        raise RegistryError("the registry's answer is not MLflow's")
    return body


def _version(found: object) -> Version:
    try:
        if not isinstance(found, dict):
            raise TypeError  # noqa: TRY301 - one answer for every odd shape
        return Version(
            name=found["name"],
            version=int(found["version"]),
            source=found["source"],
            run_id=found.get("run_id", ""),
            tags={tag["key"]: tag["value"] for tag in found.get("tags", [])},
            aliases=tuple(found.get("aliases", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError("the registry's answer is not MLflow's") from error
