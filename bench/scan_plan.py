"""Writes the plan on paper of docs/SCALING.md from what `bench.scan` measured and from stated assumptions.

`--check` changes nothing and says whether the page is stale.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.server import REPO

MARKS = "<!-- plan:start -->", "<!-- plan:end -->"
SIZES = (10**6, 10**8, 10**9)
_HOUR = 3600.0
_STEADY = 300.0
"""Seconds of work that a shard should be: what is lost when a worker dies."""


@dataclass(frozen=True)
class Assumed:
    """What was not measured here.

    Attributes:
        price: Of one core for an hour, in dollars.
        cores: Of a machine.
        gbit: That a machine can read from the bucket in a second.
        days: In which a scan should be over.
        listed_per_s: Names that a bucket lists in a second to one caller, in pages of a thousand.
        gets_per_s: Requests that one prefix of a bucket serves in a second.
        prefixes: That the catalogue lies under.
        per_million_gets: Price of so many requests, in dollars; of leaving the bucket's region, nothing is.
    """

    price: float = 0.04
    cores: int = 16
    gbit: float = 10.0
    days: float = 1.0
    listed_per_s: float = 10_000.0
    gets_per_s: float = 5_000.0
    prefixes: int = 16
    per_million_gets: float = 0.4


@dataclass(frozen=True)
class Measured:
    """What `bench.scan` found.

    Attributes:
        per_core: Photos a second for each core when all are busy.
        linear: What all cores together gave of so many times one.
        photo_bytes: Mean size of a photo.
        row_bytes: Mean size of a row.
    """

    per_core: float
    linear: float
    photo_bytes: float
    row_bytes: float

    @classmethod
    def of(cls, report: dict[str, Any]) -> Measured:
        """Read from the bench's JSON."""
        figures = {figure["key"]: figure["value"] for figure in report["figures"]}
        rows = [values["row_bytes"] for values in report["rounds"]]
        return cls(
            figures["per_core"],
            figures["linear"] / report["cores"],
            report["photo_bytes"],
            sorted(rows)[len(rows) // 2],
        )


@dataclass(frozen=True)
class Step:
    """A scan of so many photos.

    Attributes:
        photos: How many.
        core_hours: That they take.
        machines: So many that it is over in time.
        hours: That it takes then.
        dollars: Of the cores.
        request_dollars: Of a request for each photo.
        limits: What each part of the system is asked for, as a share of what it can give.
        gbit: Read in a second, by all machines.
        shard_size: To choose.
        files: Of the result.
        result_gb: Their size.
    """

    photos: int
    core_hours: float
    machines: int
    hours: float
    dollars: float
    request_dollars: float
    limits: dict[str, float]
    gbit: float
    shard_size: int
    files: int
    result_gb: float

    @property
    def bottleneck(self) -> str:
        """The part that is asked for most of what it can give."""
        return max(self.limits, key=lambda name: self.limits[name])


def step(photos: int, found: Measured, assumed: Assumed) -> Step:
    """Work one size out."""
    core_hours = photos / found.per_core / _HOUR
    machines = max(1, math.ceil(core_hours / assumed.cores / (24 * assumed.days)))
    hours = core_hours / machines / assumed.cores
    per_s = photos / hours / _HOUR
    gbit = per_s * found.photo_bytes * 8 / 1e9
    limits = {
        "cores": hours / (24 * assumed.days),
        "network of a machine": gbit / machines / assumed.gbit,
        "requests to the bucket": per_s / (assumed.gets_per_s * assumed.prefixes),
        "listing by one caller": photos / assumed.listed_per_s / _HOUR / (24 * assumed.days),
    }
    shard = 2 ** max(6, min(14, round(math.log2(found.per_core * _STEADY))))
    shard = min(shard, 256) if photos <= SIZES[0] else shard
    return Step(
        photos, core_hours, machines, hours, core_hours * assumed.price,
        photos / 1e6 * assumed.per_million_gets, limits, gbit, shard,
        math.ceil(photos / shard), photos * found.row_bytes / 1e9,
    )  # fmt: skip


def render(found: Measured, assumed: Assumed, how: str) -> str:
    """The tables."""
    steps = [step(photos, found, assumed) for photos in SIZES]
    measured = (
        f"Measured ({how}): {found.per_core:.3g} photos a second for each core with all cores busy, which is "
        f"{found.linear:.0%} of what one worker alone gives; a photo has {found.photo_bytes / 1000:.0f} kB, "
        f"a row {found.row_bytes:.0f} bytes."
    )
    supposed = (
        f"Assumed: a core costs {assumed.price:g} dollars an hour; machines of {assumed.cores} cores read "
        f"{assumed.gbit:g} Gbit/s; a scan should be over in {assumed.days * 24:g} hours; a bucket lists "
        f"{assumed.listed_per_s:,.0f} names a second to one caller and serves {assumed.gets_per_s:,.0f} "
        f"requests a second under each of {assumed.prefixes} prefixes, for {assumed.per_million_gets:g} "
        "dollars a million; cores and bucket are in one region, so that reading costs no more than that."
    )
    lines = [measured, "", supposed, ""]
    lines += [
        "| photos | core-hours | machines | hours | cores, $ | requests, $ | read | shard | files | result |"
    ]
    lines += [f"|{'---:|' * 10}"]
    for each in steps:
        cells = (
            power(each.photos),
            f"{each.core_hours:,.0f}",
            f"{each.machines}",
            f"{each.hours:.1f}",
            f"{each.dollars:,.2f}",
            f"{each.request_dollars:,.2f}",
            f"{each.gbit:.2g} Gbit/s",
            f"{each.shard_size:,}",
            f"{each.files:,}",
            f"{each.result_gb:,.2f} GB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "What each part is asked for, of what it can give; the most is the bottleneck:", ""]
    names = list(steps[0].limits)
    lines += [f"| photos | {' | '.join(names)} | bottleneck |", f"|---:|{'---:|' * len(names)}---|"]
    for each in steps:
        shares = [f"{each.limits[name]:.1%}" for name in names]
        lines.append(f"| {power(each.photos)} | {' | '.join(shares)} | {each.bottleneck} |")
    return "\n".join(lines)


def power(number: int) -> str:
    """A power of ten as people write it."""
    return f"10<sup>{round(math.log10(number))}</sup>"


def with_plan(page: str, plan: str) -> str:
    """The page with the text between its marks replaced.

    Raises:
        ValueError: It has not one of each mark.
    """
    start, end = MARKS
    before, found, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed or start in rest:
        raise ValueError("the page needs one pair of marks")
    return f"{before}{start}\n{plan}\n{end}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite the page; with --check, exit code 1 when it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when stale")
    parser.add_argument("--report", type=Path, default=REPO / "reports" / "bench" / "scan.json")
    parser.add_argument("--page", type=Path, default=REPO / "docs" / "SCALING.md")
    defaults = Assumed()
    parser.add_argument("--price", type=float, default=defaults.price, help="of a core for an hour")
    parser.add_argument("--cores", type=int, default=defaults.cores, help="of a machine")
    parser.add_argument("--days", type=float, default=defaults.days, help="in which a scan should be over")
    options = parser.parse_args(argv)
    report = json.loads(options.report.read_text())
    machine = report["machine"]
    how = f"[reports/bench/scan.md](../reports/bench/scan.md), {machine['cpu']}, {machine['cores']} cores"
    assumed = Assumed(price=options.price, cores=options.cores, days=options.days)
    page = options.page.read_text(encoding="utf-8")
    fresh = with_plan(page, render(Measured.of(report), assumed, how))
    if options.check:
        return int(fresh != page)
    options.page.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
