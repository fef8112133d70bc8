"""The validation report: findings come in as one typed object, JSON and a self-contained HTML page go out.

Both hold facts and photo ids only: no picture, no path of a machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from src.data.census import LABELS, Balance, FileCensus
from src.data.checks import Problem
from src.data.leaks import Pair
from src.data.probe import Probe

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.15rem .7rem;border-bottom:1px solid #ddd}
td{text-align:right}td:first-child,th:first-child{text-align:left}th{background:#f5f5f5;text-align:right}
.error{color:#a40000;font-weight:600}.warning{color:#8a5a00}.ok{color:#1d6b2a;font-weight:600}
details{margin:.5rem 0}summary{cursor:pointer;font-weight:600}code{font-size:13px}
"""

Cell = str | int | float


class ValidationReport(BaseModel):
    """All that validation found.

    Attributes:
        manifest_hash: Of the rows that were checked.
        photos: Rows of the manifest.
        files: Form -> files found.
        problems: Broken rules, errors first.
        pairs: Photos that look alike.
        balance: Who is in the data.
        census: Form -> distributions of file facts.
        probe: Form -> what file facts alone tell of the label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_hash: str
    photos: int
    files: dict[str, int]
    problems: tuple[Problem, ...]
    pairs: tuple[Pair, ...]
    balance: Balance
    census: dict[str, FileCensus]
    probe: dict[str, Probe]

    @property
    def ok(self) -> bool:
        """True when no rule is broken that must hold."""
        return all(problem.severity != "error" for problem in self.problems)


def write_report(report: ValidationReport, folder: Path) -> None:
    """Write `validation.json` and `validation.html` into `folder`, making it when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "validation.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "validation.html").write_text(render_html(report), encoding="utf-8")


def render_html(report: ValidationReport) -> str:
    """The report as one page without scripts, pictures or links."""
    body = [
        "<h1>Data validation</h1>",
        f"<p>{report.photos} photos, manifest <code>{escape(report.manifest_hash[:16])}</code>; files: "
        + escape(", ".join(f"{count} {form}" for form, count in report.files.items()))
        + f". {_verdict(report)}</p>",
        "<h2>Problems</h2>",
        _problems(report.problems),
        "<h2>What file facts alone give away</h2>",
        "<p>AUROC of classifiers that see no pixel, on shops they were not fitted on; 0.5 is nothing.</p>",
        _probes(report.probe),
        "<h2>Duplicates</h2>",
        _pairs(report.pairs),
        "<h2>Balance</h2>",
        _balance(report.balance),
    ]
    for form, census in report.census.items():
        body += [f"<h2>Files: {escape(form)}</h2>", _census(census)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Data validation</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _verdict(report: ValidationReport) -> str:
    return '<span class="ok">Valid.</span>' if report.ok else '<span class="error">Not valid.</span>'


def _table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _problems(problems: Sequence[Problem]) -> str:
    if not problems:
        return "<p>None.</p>"
    lines = ["<ul>"]
    for found in problems:
        examples = ", ".join(escape(example) for example in found.examples)
        lines.append(
            f'<li><span class="{found.severity}">{found.severity}</span> <code>{escape(found.check)}</code>: '
            f"{escape(found.message)} ({found.count})"
            f"<details><summary>examples</summary><code>{examples}</code></details></li>"
        )
    return "\n".join([*lines, "</ul>"])


def _probes(probes: Mapping[str, Probe]) -> str:
    if not probes:
        return "<p>Too few shops to tell.</p>"
    parts = [
        _table(
            ("files", "photos", "shops", "trees", "logistic"),
            ((form, p.photos, p.sources, p.auroc_trees, p.auroc_logistic) for form, p in probes.items()),
        )
    ]
    for form, found in probes.items():
        parts.append(f"<details><summary>{escape(form)}: single facts, and within one format</summary>")
        parts.append(_table(("fact", "AUROC alone"), found.auroc_of_fact.items()))
        parts.append(_table(("format", "AUROC of the trees within it"), found.auroc_within_format.items()))
        parts.append("</details>")
    return "\n".join(parts)


def _pairs(pairs: Sequence[Pair]) -> str:
    kinds = sorted({(pair.kind, pair.within or "other shops") for pair in pairs})
    counts = [
        (kind, within, sum((pair.kind, pair.within or "other shops") == (kind, within) for pair in pairs))
        for kind, within in kinds
    ]
    loose = [pair for pair in pairs if pair.within != "group"]
    head = ("first", "second", "kind", "bits", "colour", "within", "crosses")
    rows = (
        (p.first, p.second, p.kind, p.bits, p.colour, p.within or "-", ", ".join(p.crosses) or "-")
        for p in loose
    )
    return (
        _table(("kind", "within", "pairs"), counts)
        + f"<details><summary>{len(loose)} pairs of different groups</summary>"
        + _table(head, rows)
        + "</details>"
    )


def _balance(found: Balance) -> str:
    totals = (
        ("photos", found.photos),
        ("groups", found.groups),
        ("sources", found.sources),
    )
    parts = [
        _table(
            ("", *LABELS), ((name, *(counts.get(label, 0) for label in LABELS)) for name, counts in totals)
        ),
        "<p>Photos of a source:</p>",
        _quantile_table("label", found.source_sizes),
        _table(("largest sources", "photos"), found.largest_sources.items()),
    ]
    return "\n".join(parts) + _count_tables(found.tables)


def _census(census: FileCensus) -> str:
    parts = [
        f"<h3>{escape(name)}</h3>" + _quantile_table("label", table) for name, table in census.numbers.items()
    ]
    return "\n".join(parts) + _count_tables(census.categories | {"quantisation tables": census.tables})


def _quantile_table(name: str, table: Mapping[str, Mapping[str, float]]) -> str:
    head = list(next(iter(table.values()), {}))
    return _table((name, *head), ((label, *values.values()) for label, values in table.items()))


def _count_tables(tables: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    return "\n".join(
        f"<details><summary>{escape(name)}</summary>"
        + _table(
            (name, *LABELS),
            ((value, *(counts.get(label, 0) for label in LABELS)) for value, counts in table.items()),
        )
        + "</details>"
        for name, table in tables.items()
    )
