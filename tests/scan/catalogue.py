"""A small catalogue of which one photo in a hundred is damaged, and its rows as they must be."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from src.inference.detector import Detector
from src.inference.provenance.manifests import ManifestReader
from src.scan.judging import Shards
from src.scan.readers import Reader
from src.scan.run import Order
from src.scan.sources import list_source
from src.utils.settings import Settings
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings

PHOTOS = 300
DAMAGED = {41: b"", 142: b"no photo at all", 243: photo_bytes(7)[:900]}
SHARD = 8


def write_catalogue(folder: Path, photos: int = PHOTOS) -> Path:
    """Photos in two folders; the bytes repeat, the names do not."""
    kinds = [photo_bytes(seed, (320, 240)) for seed in range(20)]
    for number in range(photos):
        path = folder / ("a" if number % 3 else "b") / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DAMAGED.get(number, kinds[number % len(kinds)]))
    return folder


def settings_for(model: Path, **changes: Any) -> Settings:
    return quiet_settings(model, **changes)


def order_for(source: Path, dest: Path, **changes: Any) -> Order:
    common: dict[str, Any] = {"shard_size": SHARD, "workers": 2}
    return Order(**(common | {"source": str(source), "dest": str(dest)} | changes))


def no_fetcher() -> Any:
    raise AssertionError("nothing is fetched here")


def expected_rows(source: Path, model: Path) -> list[dict[str, Any]]:
    """The rows as this process makes them, with no worker, no shard and no file between.

    What has the same bytes has the same verdict; it is judged once.
    """
    detector = Detector.from_file(model, threads=1)
    reader = Reader(25 * 2**20, None, no_fetcher)
    shards = Shards(detector, ManifestReader(timeout_s=60.0), reader, "balanced")
    items = list(list_source(str(source)))
    contents = {item: Path(item.source).read_bytes() for item in items}
    kinds = {data: item for item, data in contents.items()}
    judged = dict(zip(kinds, shards.rows(list(kinds.values()), lambda _: None), strict=True))
    reader.close()
    rows = [replace(judged[contents[item]], id=item.id, source=item.where) for item in items]
    found = [asdict(row) | {"model_version": detector.card.version} for row in rows]
    for row in found:
        row["signals"] = None if row["signals"] is None else list(row["signals"])
    return sorted(found, key=lambda row: row["id"])


def rows_of(dest: Path) -> list[dict[str, Any]]:
    """What a scan has left, as any reader of Parquet sees it."""
    found = ds.dataset(str(dest), partitioning="hive").to_table().to_pylist()
    return sorted(found, key=lambda row: row["id"])
