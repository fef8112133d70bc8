"""A scan from source to summary: plan, what is finished already, an engine for the rest, what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import structlog

from src.scan.items import Item
from src.scan.job import Job, sha256_of, without_secrets
from src.scan.local import Engine, run_local
from src.scan.order import Order, Summary
from src.scan.places import Place, open_place
from src.scan.plan import Plan, read_plan, write_plan
from src.scan.prevalence import error_rates, estimate
from src.scan.progress import Meter, shown
from src.scan.rows import Tally, read_tally
from src.scan.sources import list_source
from src.utils.cores import usable_cores
from src.utils.errors import ConfigError, ModelError, ScanError
from src.utils.model_report import beside, read_model_report
from src.utils.settings import Settings

__all__ = ["Order", "Summary", "scan"]

_log = structlog.get_logger(__name__)
_FILE = re.compile(r"shard-(\d{7,})\.parquet")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_FOOTERS_AT_ONCE = 16
_SHARD, _SMALL_SHARD = 256, 8
_SHARDS = 128
"""So many at least, where there are photos enough: the last ones are judged by fewer and fewer workers."""


def scan(order: Order, settings: Settings) -> Summary:
    """Judge every input that has no row yet.

    Args:
        order: What is asked for.
        settings: The service's: model, by its file or as the registry knows it; limits, and hosts that may be
            fetched from.

    Raises:
        ConfigError: The source cannot be read, or the destination holds another scan.
        ScanError: The destination cannot be written, or another scan writes to it; what is finished stays.
        DetectorError: The model cannot be used.
    """
    if order.address is not None and order.engine != "ray":
        raise ConfigError("an address is that of a Ray cluster: it needs the engine ray")
    if settings.model_uri:
        from src.registry.resolve import resolve  # noqa: PLC0415 - only who has a registry needs it

        found = resolve(settings.model_uri, settings.model_cache, settings.registry_uri)
        settings = settings.model_copy(update={"model_path": found})
    place = open_place(order.dest)
    with place.hold():
        return _scan(order, settings, place)


def _scan(order: Order, settings: Settings, place: Place) -> Summary:
    job = _job(order, settings, place)
    plan = job.plan
    place.sweep(job.folder)
    finished = _finished(place, job)
    there = _tallies(place, job, sorted(finished))
    again = {shard: tally.unread for shard, tally in there.items() if job.retry and tally.unread}
    left = [shard for shard in range(plan.shards) if shard not in there or shard in again]
    photos = sum(again.get(shard, plan.size(shard)) for shard in left)
    if order.engine == "ray":
        from src.scan.on_ray import cluster  # noqa: PLC0415 - heavy, and an extra

        with cluster(order.address) as (engine, cores):
            meter = _judge(engine, job, left, _meter(order, left, photos, cores))
    else:
        meter = _judge(run_local, job, left, _meter(order, left, photos, usable_cores()))
    tally = Tally()
    for shard, found in there.items():
        if shard not in again:
            tally.add(found)
    tally.add(meter.tally)
    if tally.rows != plan.items:
        raise ScanError(f"{plan.items} inputs, but {tally.rows} rows: the destination was changed by others")
    summary = _summary(order, job, tally, meter)
    place.write(f"_runs/{job.model_version}.summary.json", json.dumps(summary.to_json(), indent=2).encode())
    return summary


def _meter(order: Order, left: Sequence[int], photos: int, cores: int) -> Meter:
    return Meter(photos, max(1, min(order.workers or cores, len(left))), order.price)


def _judge(engine: Engine, job: Job, left: Sequence[int], meter: Meter) -> Meter:
    if left:
        with shown(meter) as listen:
            engine(job, iter(left), meter.workers, listen)
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
        device=order.device,
        retry=order.retry_errors,
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
    ours = {
        "model_sha256": job.model_sha256,
        "policy": job.policy,
        "device": job.device,
        "plan": job.plan.id,
    }
    theirs = _note(place, name)
    if theirs is None:
        if place.names(job.folder):
            raise ConfigError("the destination holds rows, but the note that says whose they are is gone")
        if place.create(name, json.dumps(ours, indent=2).encode()):
            return
        theirs = _note(place, name)
    if theirs != ours:
        raise ConfigError(
            "the destination holds rows of another model with this version, "
            "or of another policy, another device or another list"
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


def _tallies(place: Place, job: Job, shards: Sequence[int]) -> dict[int, Tally]:
    """What the files of these shards say of their rows."""

    def one(shard: int) -> Tally:
        with place.open(job.file(shard)) as file:
            return read_tally(file)

    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        return dict(zip(shards, pool.map(one, shards), strict=True))


def _summary(order: Order, job: Job, tally: Tally, meter: Meter) -> Summary:
    report = read_model_report(beside(job.model))
    rates = None
    if report is not None and report.model_version == job.model_version:
        rates = error_rates(report, job.policy)
    if rates is None:
        _log.warning("scan_no_error_rates", model_version=job.model_version, policy=job.policy)
    seconds = meter.seconds
    return Summary(
        dest=order.dest,
        model_version=job.model_version,
        policy=job.policy,
        device=job.device,
        population=job.plan.population,
        sample=job.plan.sample,
        rows=tally.rows,
        ai_generated=tally.fakes,
        real=tally.reals,
        needs_review=tally.review,
        errors=dict(sorted(tally.errors.items())),
        unread=tally.unread,
        prevalence=rates and estimate(tally.fakes, tally.fakes + tally.reals, *rates),
        resumed=tally.rows - meter.done,
        workers=meter.workers,
        seconds=round(seconds, 3),
        photos_per_s=round(meter.done / seconds, 3) if seconds else 0.0,
        cost=meter.cost,
    )


def _absolute(source: str) -> str:
    return source if "://" in source else str(Path(source).absolute())
