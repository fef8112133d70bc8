"""Reads the Kubernetes manifests as data, and holds them against the schemas of their kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

REPO = Path(__file__).parents[2]
FOLDER = REPO / "deploy" / "kubernetes"
NO_RESOURCES = ("kustomization.yaml", "adapter.yaml")
NAMES = {"type": "string", "minLength": 1}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
SERVICE_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "spec": {
            "type": "object",
            "required": ["selector", "endpoints"],
            "additionalProperties": False,
            "properties": {
                "jobLabel": NAMES,
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"matchLabels": LABELS},
                },
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["port"],
                        "additionalProperties": False,
                        "properties": {
                            "port": NAMES,
                            "path": {"type": "string", "pattern": "^/"},
                            "interval": {"type": "string", "pattern": r"^\d+s$"},
                            "scrapeTimeout": {"type": "string", "pattern": r"^\d+s$"},
                        },
                    },
                },
            },
        },
    },
}
"""What is used of the operator's definition, whose schema comes with no library."""


def manifests(folder: Path = FOLDER) -> list[tuple[str, dict[str, Any]]]:
    """Every resource of the files, with the file's name."""
    paths = [path for path in sorted(folder.rglob("*.yaml")) if path.name not in NO_RESOURCES]
    return [
        (str(path.relative_to(FOLDER)), resource)
        for path in paths
        for resource in yaml.safe_load_all(path.read_text())
    ]


def one(kind: str, folder: str = "base") -> dict[str, Any]:
    """The only resource of a kind in a folder."""
    (found,) = [resource for _, resource in manifests(FOLDER / folder) if resource["kind"] == kind]
    return found


def validate(resource: dict[str, Any], version: str) -> None:
    """Hold a resource against the schema of its kind, where unknown fields are mistakes."""
    if resource["apiVersion"] == "monitoring.coreos.com/v1":
        jsonschema.validate(resource, SERVICE_MONITOR)
    else:
        kubernetes_validate.validate(resource, version, strict=True)


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Name and pod template of everything that runs."""
    return [
        (resource["metadata"]["name"], resource["spec"]["template"])
        for _, resource in manifests()
        if resource["kind"] in {"Deployment", "StatefulSet"}
    ]


def settings_file() -> dict[str, str]:
    """Variables of the ConfigMap."""
    lines = (FOLDER / "base" / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
