"""Brings a registered model through every gate, and to the champion's place when it passes them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from src.data.report import ValidationReport
from src.evaluation.card import network_hash, read_card
from src.evaluation.figures import Report, read_report
from src.evaluation.gates import (
    GateLimits,
    GateResult,
    hold_data_gates,
    hold_file_gates,
    hold_gates,
    missed,
)
from src.evaluation.rerun import rerun
from src.utils.errors import DataError, PromotionRefused


class Numbered(Protocol):
    """What is asked of a version."""

    @property
    def version(self) -> int:
        """Its number."""
        ...


VersionT = TypeVar("VersionT", bound=Numbered)
_RESULTS = TypeAdapter(list[GateResult])
_TOLD = 3
"""Missed gates that the error's one line names; all are in the results."""


class Shelf(Protocol[VersionT]):
    """What is asked of the registry; `src.registry.registry.Registry` is one."""

    def find(self, which: str | int) -> VersionT:
        """A version by number or alias."""
        ...

    def champion(self) -> VersionT | None:
        """The version in service, if there is one."""
        ...

    def model_file(self, version: VersionT, cache: Path) -> Path:
        """Have a version's model file here."""
        ...

    def report_file(self, version: VersionT, cache: Path) -> Path:
        """Have a version's report here."""
        ...

    def promote(
        self, version: int, gates: Sequence[GateResult], *, summary: str = "", against: int | None = None
    ) -> None:
        """Make a version the champion, if the one that the gates were held against still is."""
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """A version on this machine."""

    model: Path
    report: Report


def read_validation(path: Path) -> ValidationReport | None:
    """The report of `make validate`; None when there is none.

    Raises:
        DataError: The file is no such report.
    """
    if not path.is_file():
        return None
    try:
        return ValidationReport.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(f"{path.name} is no validation report") from error


def check(
    candidate: Files, champion: Files | None, validation: ValidationReport | None, limits: GateLimits
) -> list[GateResult]:
    """Hold every gate: data first, then figures, then the files themselves.

    Raises:
        ModelError: A file cannot be loaded.
    """
    runs = rerun([candidate.model] if champion is None else [candidate.model, champion.model])
    card, network = read_card(candidate.model), network_hash(candidate.model)
    return [
        *hold_data_gates(card, network, candidate.report, validation),
        *hold_gates(candidate.report, champion.report if champion is not None else None, limits),
        *hold_file_gates(runs[0], runs[1] if champion is not None else None, limits),
    ]


def files_of(shelf: Shelf[VersionT], version: VersionT, cache: Path) -> Files:
    """Fetch what the gates look at.

    Raises:
        NotFoundError: The version was registered without a report.
        DataError: The report is invalid.
        ModelError: The model file is not the one that was registered.
    """
    return Files(shelf.model_file(version, cache), read_report(shelf.report_file(version, cache)))


def hold(
    shelf: Shelf[VersionT],
    which: str | int,
    against: VersionT | None,
    *,
    cache: Path,
    validation: ValidationReport | None,
    limits: GateLimits,
) -> list[GateResult]:
    """Hold every gate for a registered version; raises as `files_of` and `check` do."""
    candidate = files_of(shelf, shelf.find(which), cache)
    champion = None if against is None else files_of(shelf, against, cache)
    return check(candidate, champion, validation, limits)


def promote(
    shelf: Shelf[VersionT],
    version: int,
    *,
    cache: Path,
    validation: ValidationReport | None,
    limits: GateLimits,
) -> list[GateResult]:
    """Hold every gate against the present champion, and promote the version when it passes them all.

    Returns:
        The results, all passed; they are kept with the version.

    Raises:
        PromotionRefused: Some gate is missed; the message says which and by how much. Or the champion changed
            while the gates were held.
        DataError: The version's or the champion's report is invalid.
        ModelError: A model file is not what was registered, or cannot be loaded.
        NotFoundError: No such version, or one without a report.
        RegistryError: The registry fails.
    """
    champion = shelf.champion()
    results = hold(shelf, version, champion, cache=cache, validation=validation, limits=limits)
    refused = missed(results)
    if refused:
        told = "; ".join(each.words for each in refused[:_TOLD])
        more = f"; and {len(refused) - _TOLD} more" if len(refused) > _TOLD else ""
        raise PromotionRefused(
            f"version {version} misses {len(refused)} of {len(results)} gates: {told}{more}"
        )
    shelf.promote(version, results, summary=summary(results), against=number_of(champion))
    return results


def number_of(champion: Numbered | None) -> int:
    """What the registry is told of the champion that gates were held against: its number, 0 for none."""
    return 0 if champion is None else champion.version


def summary(results: Sequence[GateResult], excused: Sequence[str] = ()) -> str:
    """What is kept with the version: how many gates it passed, and the one with the least room to its limit.

    Args:
        results: Of every gate.
        excused: Names of missed gates that did not keep it out; only a rehearsal excuses any.
    """
    passed = [each for each in results if each.passed and each.margin is not None]
    unmeasured = sum(each.passed and each.margin is None for each in results)
    tightest = min(passed, key=lambda each: each.margin or 0.0, default=None)
    let_go = [each.words for each in missed(results) if each.name in set(excused)]
    parts = [f"{len(passed)} gates passed"]
    if unmeasured:
        parts.append(f"{unmeasured} not measured")
    if let_go:
        parts.append(f"{len(let_go)} missed and excused: {', '.join(let_go)}")
    if tightest is not None:
        parts.append(f"tightest: {tightest.words}")
    return "; ".join(parts)


def render_results(results: Sequence[GateResult]) -> str:
    """The results as JSON."""
    return _RESULTS.dump_json(list(results), indent=1).decode()
