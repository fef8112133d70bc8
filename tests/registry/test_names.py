"""Names of models: files and registered ones, and nothing in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.registry.names import ModelUri, Version, parse_uri
from src.utils.errors import ConfigError, ModelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:/photo-detector@champion", ModelUri("photo-detector", alias="champion")),
        ("models:/photo-detector/12", ModelUri("photo-detector", version=12)),
        ("models/detector.onnx", Path("models/detector.onnx")),
        ("/srv/models:/a.onnx", Path("/srv/models:/a.onnx")),
    ],
)
def test_names_are_read(text: str, expected: ModelUri | Path) -> None:
    assert parse_uri(text) == expected
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    ["models:/", "models:/a", "models:/a/0", "models:/a/x", "models:/a@", "models://a@b", "models:a@b"],
)
def test_half_a_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="models:/name@alias"):
        parse_uri(text)


@pytest.mark.parametrize("tags", [{}, {"sha256": "../../etc/passwd"}, {"sha256": "A" * 64}])
def test_version_without_a_digest_is_not_used(tags: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="sha256"):
        _ = Version("a", 1, "file:///x", tags=tags).sha256
