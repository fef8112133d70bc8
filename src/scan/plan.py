"""The list of a scan's inputs, made once and cut into numbered shards, so that every resume means the same.

`_plan/<id>/` in the destination holds it as Parquet, a row group a shard; `_plan/done.json` says that it is
whole, and which of several lists, as of scans that were started at once, is meant.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from uuid import uuid4

import pyarrow.parquet as pq

from src.scan.items import SCHEMA, Item, from_table, to_table
from src.scan.places import Place
from src.utils.errors import ConfigError, ScanError

FOLDER = "_plan"
_DONE = f"{FOLDER}/done.json"
_ITEMS_PER_FILE = 65_536


@dataclass(frozen=True, slots=True)
class Plan:
    """What is scanned.

    Attributes:
        source: As it was named.
        column: The table's column that was asked for, if one was.
        shard_size: Most inputs of a shard.
        population: Inputs that the source holds.
        sample: How many of them were drawn by chance; none for all.
        seed: Of the draw.
        items: Inputs that are scanned.
        id: Of this list, as another one of the same source may hold other photos.
    """

    source: str
    column: str | None
    shard_size: int
    population: int
    sample: int | None
    seed: int
    items: int
    id: str

    @property
    def shards(self) -> int:
        """Number of shards; they are called 0 and so on."""
        return -(-self.items // self.shard_size)

    def size(self, shard: int) -> int:
        """Number of a shard's inputs."""
        return min(self.shard_size, self.items - shard * self.shard_size)

    def is_for(self, source: str, column: str | None, sample: int | None, seed: int) -> bool:
        """Whether it is what is asked for by these words."""
        return (self.source, self.column, self.sample, self.seed) == (source, column, sample, seed)


def read_plan(place: Place) -> Plan | None:
    """The plan that a destination holds; None if it holds none that is whole.

    Raises:
        ScanError: It is damaged.
    """
    try:
        with place.open(_DONE) as file:
            return Plan(**json.loads(file.read()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ScanError("the destination's plan is damaged") from error


def write_plan(
    place: Place,
    items: Iterable[Item],
    *,
    source: str,
    column: str | None = None,
    shard_size: int,
    sample: int | None = None,
    seed: int = 0,
) -> Plan:
    """List the inputs, draw a sample if one is asked for, and write the plan; memory stays bounded.

    When another scan has written one meanwhile, that one holds for both.

    Args:
        place: The destination.
        items: All inputs of the source, in its order.
        source: As it was named.
        column: As it was named.
        shard_size: Most inputs of a shard.
        sample: Inputs to draw without replacement; all by default.
        seed: Of the draw.

    Returns:
        The plan that the destination holds now.

    Raises:
        ConfigError: There is no input.
        ScanError: The destination cannot be written.
    """
    counted = _Counted(items)
    chosen: Iterable[Item] = counted if sample is None else _draw(counted, sample, random.Random(seed))  # noqa: S311
    stream = iter(chosen)
    per_file = max(1, _ITEMS_PER_FILE // shard_size)
    total = number = 0
    name = uuid4().hex
    while shards := [shard for _ in range(per_file) if (shard := list(islice(stream, shard_size)))]:
        place.write(_file(name, number), _parquet(shards))
        total += sum(map(len, shards))
        number += 1
    if not total:
        raise ConfigError("no photos found")
    plan = Plan(source, column, shard_size, counted.count, sample, seed, total, name)
    if place.create(_DONE, json.dumps(asdict(plan), indent=2).encode()):
        return plan
    return _there(place)


def read_shard(place: Place, plan: Plan, shard: int) -> list[Item]:
    """The inputs of one shard, in order."""
    per_file = max(1, _ITEMS_PER_FILE // plan.shard_size)
    with place.open(_file(plan.id, shard // per_file)) as file, pq.ParquetFile(file) as parquet:
        return from_table(parquet.read_row_group(shard % per_file))


class _Counted:
    """Passes items on and counts them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self.count += 1
            yield item


def _draw(items: Iterable[Item], number: int, rng: random.Random) -> list[Item]:
    """A sample without replacement from a stream of unknown length (Vitter 1985, algorithm R)."""
    kept: list[tuple[int, Item]] = []
    for index, item in enumerate(items):
        if index < number:
            kept.append((index, item))
        elif (place := rng.randrange(index + 1)) < number:
            kept[place] = (index, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def _parquet(shards: list[list[Item]]) -> bytes:
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, SCHEMA, compression="zstd") as writer:
        for shard in shards:
            writer.write_table(to_table(shard), row_group_size=len(shard))
    return buffer.getvalue()


def _there(place: Place) -> Plan:
    found = read_plan(place)
    if found is None:
        raise ScanError("the destination's plan came and went")
    return found


def _file(name: str, number: int) -> str:
    return f"{FOLDER}/{name}/part-{number:06}.parquet"
