"""A scan from source to summary: plan, what is finished already, an engine for the rest, what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from src.scan.items import Item
from src.scan.job import Job, sha256_of, without_secrets
from src.scan.local import Engine, run_local
from src.scan.places import Place, open_place
from src.scan.plan import Plan, read_plan, write_plan
from src.scan.prevalence import Prevalence, error_rates, estimate
from src.scan.progress import Meter, shown
from src.scan.rows import Tally, read_tally
from src.scan.sources import list_source
from src.utils.cores import usable_cores
from src.utils.errors import ConfigError, ModelError, ScanError
from src.utils.model_report import beside, read_model_report
from src.utils.settings import Settings

_FILE = re.compile(r"shard-(\d{7,})\.parquet")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_FOOTERS_AT_ONCE = 16
_SHARD, _SMALL_SHARD = 256, 8
_SHARDS = 128
"""So many at least, where there are photos enough: the last ones are judged by fewer and fewer workers."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for.

    Attributes:
        source: As for `list_source`.
        dest: Folder, or an address that fsspec knows.
        policy: Of the model card; its default by default.
        column: As for `list_source`.
        shard_size: Photos of a shard: what is lost when a worker dies, and rows of one file; by default 256,
            or fewer where a catalogue is so small that not all workers would have something to do.
        sample: Photos to draw by chance; all by default.
        seed: Of the draw.
        engine: `local`: processes of this machine. `ray`: actors of a Ray cluster.
        address: Of the cluster; one on this machine by default.
        workers: Processes or actors; one a core by default.
        price: Of one core for an hour.
    """

    source: str
    dest: str
    policy: str | None = None
    column: str | None = None
    shard_size: int | None = None
    sample: int | None = None
    seed: int = 0
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None
    price: float | None = None


@dataclass(frozen=True)
class Summary:
    """What a scan found.

    Attributes:
        dest: Address of the destination.
        model_version: Whose verdicts these are.
        policy: Likewise.
        population: Photos of the source.
        sample: How many of them were drawn; none for all.
        rows: In the destination, for this model; each input has one.
        ai_generated: Of them.
        real: Of them.
        needs_review: Of them.
        errors: Rows without a verdict, by code.
        prevalence: Estimate of the share that is AI-generated; None without error rates of this model.
        resumed: Rows that were there before.
        workers: That judged the others.
        seconds: That this took.
        photos_per_s: In these seconds.
        cost: Of the cores in these seconds; None without a price.
    """

    dest: str
    model_version: str
    policy: str
    population: int
    sample: int | None
    rows: int
    ai_generated: int
    real: int
    needs_review: int
    errors: dict[str, int]
    prevalence: Prevalence | None
    resumed: int
    workers: int
    seconds: float
    photos_per_s: float
    cost: float | None

    def to_json(self) -> dict[str, Any]:
        """As a plain object."""
        return asdict(self)


def scan(order: Order, settings: Settings) -> Summary:
    """Judge every input that has no row yet.

    Args:
        order: What is asked for.
        settings: The service's: model, limits, hosts that may be fetched from.

    Raises:
        ConfigError: The source cannot be read, or the destination holds another scan.
        ScanError: The destination cannot be written, or another scan writes to it; what is finished stays.
        DetectorError: The model cannot be used.
    """
    if order.address is not None and order.engine != "ray":
        raise ConfigError("an address is that of a Ray cluster: it needs the engine ray")
    place = open_place(order.dest)
    with place.hold():
        return _scan(order, settings, place)


def _scan(order: Order, settings: Settings, place: Place) -> Summary:
    job = _job(order, settings, place)
    plan = job.plan
    place.sweep(job.folder)
    finished = _finished(place, job)
    left = [shard for shard in range(plan.shards) if shard not in finished]
    if order.engine == "ray":
        from src.scan.on_ray import cluster  # noqa: PLC0415 - heavy, and an extra

        with cluster(order.address) as (engine, cores):
            meter = _judge(engine, job, left, order, cores)
    else:
        meter = _judge(run_local, job, left, order, usable_cores())
    tally = _tally_of(place, job, sorted(finished))
    resumed = tally.rows
    tally.add(meter.tally)
    if tally.rows != plan.items:
        raise ScanError(f"{plan.items} inputs, but {tally.rows} rows: the destination was changed by others")
    summary = _summary(order, job, tally, resumed, meter)
    place.write(f"_runs/{job.model_version}.summary.json", json.dumps(summary.to_json(), indent=2).encode())
    return summary


def _judge(engine: Engine, job: Job, left: Sequence[int], order: Order, cores: int) -> Meter:
    workers = max(1, min(order.workers or cores, len(left)))
    meter = Meter(sum(map(job.plan.size, left)), workers, order.price)
    if left:
        with shown(meter) as listen:
            engine(job, iter(left), workers, listen)
    return meter


def _job(order: Order, settings: Settings, place: Place) -> Job:
    # Read with the model's own library in a worker; here only its card is needed.
    from src.inference.session import Session  # noqa: PLC0415 - heavy

    card = Session.load(settings.model_path, 1).card
    if not _NAME.fullmatch(card.version):
        raise ModelError(f"the model's version {card.version!r} cannot name a partition")
    policy, _ = card.policy(order.policy)
    job = Job(
        dest=_absolute(order.dest),
        plan=_plan(order, place),
        model=settings.model_path.absolute(),
        model_sha256=sha256_of(settings.model_path),
        model_version=card.version,
        policy=policy,
        settings=without_secrets(settings),
    )
    _claim(place, job)
    return job


def _plan(order: Order, place: Place) -> Plan:
    source = _absolute(order.source)
    found = read_plan(place)
    if found is None:
        items, size = _sized(list_source(source, order.column), order)
        found = write_plan(
            place,
            items,
            source=source,
            column=order.column,
            shard_size=size,
            sample=order.sample,
            seed=order.seed,
        )
    if not found.is_for(source, order.column, order.sample, order.seed):
        raise ConfigError("the destination holds a scan of another source, column, sample or seed")
    if order.shard_size not in {None, found.shard_size}:
        raise ConfigError(f"the destination's shards are of {found.shard_size} photos")
    return found


def _sized(items: Iterator[Item], order: Order) -> tuple[Iterable[Item], int]:
    """The inputs, and how many of them make a shard."""
    if order.shard_size is not None:
        return items, order.shard_size
    head = list(islice(items, _SHARD * _SHARDS))
    number = min(len(head), order.sample or len(head))
    return chain(head, items), min(_SHARD, max(_SMALL_SHARD, -(-number // _SHARDS)))


def _claim(place: Place, job: Job) -> None:
    """A partition is one model's under one policy for one list: nothing else is mixed in.

    Raises:
        ConfigError: It is another's.
        ScanError: The note that says whose it is is damaged.
    """
    name = f"_runs/{job.model_version}.json"
    ours = {"model_sha256": job.model_sha256, "policy": job.policy, "plan": job.plan.id}
    theirs = _note(place, name)
    if theirs is None:
        if place.names(job.folder):
            raise ConfigError("the destination holds rows, but the note that says whose they are is gone")
        if place.create(name, json.dumps(ours, indent=2).encode()):
            return
        theirs = _note(place, name)
    if theirs != ours:
        raise ConfigError(
            "the destination holds rows of another model with this version, another policy or another list"
        )


def _note(place: Place, name: str) -> object:
    try:
        with place.open(name) as file:
            return json.loads(file.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ScanError(f"{name} of the destination is damaged") from error


def _finished(place: Place, job: Job) -> set[int]:
    found = [_FILE.fullmatch(name) for name in place.names(job.folder)]
    return {shard for name in found if name and (shard := int(name[1])) < job.plan.shards}


def _tally_of(place: Place, job: Job, shards: Sequence[int]) -> Tally:
    def one(shard: int) -> Tally:
        with place.open(job.file(shard)) as file:
            return read_tally(file)

    total = Tally()
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        for tally in pool.map(one, shards):
            total.add(tally)
    return total


def _summary(order: Order, job: Job, tally: Tally, resumed: int, meter: Meter) -> Summary:
    report = read_model_report(beside(job.model))
    rates = None
    if report is not None and report.model_version == job.model_version:
        rates = error_rates(report, job.policy)
    seconds = meter.seconds
    return Summary(
        dest=order.dest,
        model_version=job.model_version,
        policy=job.policy,
        population=job.plan.population,
        sample=job.plan.sample,
        rows=tally.rows,
        ai_generated=tally.fakes,
        real=tally.reals,
        needs_review=tally.review,
        errors=dict(sorted(tally.errors.items())),
        prevalence=rates and estimate(tally.fakes, tally.fakes + tally.reals, *rates),
        resumed=resumed,
        workers=meter.workers,
        seconds=round(seconds, 3),
        photos_per_s=round(meter.tally.rows / seconds, 3) if seconds else 0.0,
        cost=meter.cost,
    )


def _absolute(source: str) -> str:
    return source if "://" in source else str(Path(source).absolute())
