"""The page that lists all post-mortems, made of their records."""

from __future__ import annotations

from pathlib import Path

from src.incident.postmortem import bars
from src.incident.records import Run, read_run

NAME = "README.md"
_HEAD = """\
# Incidents, rehearsed

What a new generator does to the detector, from the first photo to recovery, as `make incident` measured it.
How that is done: [Life of a model](../MODELS.md#an-incident-rehearsed). The command writes this page from the
records of its runs. Recall is on the new family.

| post-mortem | recall before | after the refit | after retraining | failed requests | bars met |
|---|---|---|---|---|---|
"""


def write_index(folder: Path) -> Path:
    """Write it anew from every record below a folder, the newest first; returns where it is."""
    runs = {path.parent.name: read_run(path) for path in sorted(folder.glob("*/run.json"), reverse=True)}
    rows = [_row(name, run) for name, run in runs.items()] or ["| none yet | | | | | |"]
    page = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(_HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return page


def _row(name: str, run: Run) -> str:
    recall = {each.step: each.recall_new.value for each in run.exams}
    figures = [
        "–" if (value := recall.get(step)) is None else f"{value:.3f}"
        for step in ("champion", "refit", "retraining")
    ]
    held = bars(run)
    met = f"{sum(good for _, _, good in held)} of {len(held)}"
    cells = [f"[{name}]({name}.md)", *figures, f"{run.failed} of {run.sent}", met]
    return f"| {' | '.join(cells)} |"
