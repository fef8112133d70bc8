"""Small worlds of photos: manifest rows, and procedural pictures laid out as under `data/raw`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from src.data.layout import original_path, stored_path
from src.data.manifest import PhotoRecord
from src.data.stored import stored_form
from tests.support.pictures import encode, picture

_PLAIN = {
    "source": "shop",
    "group": "shop:1",
    "category": "home",
    "product_like": "yes",
    "licence": "MIT",
    "repo": "owner/name",
    "commit": "a" * 40,
    "original_format": "PNG",
    "original_width": 96,
    "original_height": 64,
    "width": 96,
    "height": 64,
}


def record(name: object = 1, *, fake: bool = False, data: bytes | None = None, **changes: Any) -> PhotoRecord:
    """A valid row; `name` decides its checksum unless `data` is given."""
    sha256 = hashlib.sha256(str(name).encode() if data is None else data).hexdigest()
    row = _PLAIN | {
        "path": f"images/{sha256[:16]}.jpg",
        "sha256": sha256,
        "repo_path": f"photos/{name}.png",
        "label": "ai_generated" if fake else "real",
        "generator": "sdxl" if fake else "camera",
        "style": "" if fake else "studio",
        "year": None if fake else 2019,
    }
    return PhotoRecord.model_validate(row | changes)


def photo(
    raw: Path,
    seed: int,
    *,
    fake: bool = False,
    kind: str = "PNG",
    size: tuple[int, int] = (96, 64),
    options: dict[str, Any] | None = None,
    **changes: Any,
) -> PhotoRecord:
    """A row whose original and stored form lie under `raw`."""
    data = encode(picture(seed, size), kind, **(options or {}))
    facts = {"original_format": kind, "original_width": size[0], "original_height": size[1]}
    facts |= {"width": size[0], "height": size[1]}
    made = record(f"{seed}-{kind}", fake=fake, data=data, **(facts | changes))
    for path, content in ((original_path(made, raw), data), (stored_path(made, raw), stored_form(data))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


def shops(count: int, photos: int, *, fake: bool, start: int = 0, **changes: Any) -> list[PhotoRecord]:
    """`count` shops of `photos` photos each, every photo a group of its own."""
    kind = "ai" if fake else "real"
    return [
        record(f"{kind}-{shop}-{n}", fake=fake, source=f"{kind}{shop}", group=f"{kind}{shop}:{n}", **changes)
        for shop in range(start, start + count)
        for n in range(photos)
    ]


def app_of(main: Callable[..., None]) -> typer.Typer:
    """A command's function as the application that its module runs."""
    app = typer.Typer()
    app.command()(main)
    return app
