"""Writes the drift benchmark's report: JSON for programs, Markdown for people, one plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHANNELS = ("alarm", "content", "labels", "inputs")
_BARS = ("false_alarms_in_100000", "new_generator_at_0.25_within_500")
_SAW = """The network was trained with every family below; only the reference is without it. Such a network
judges them well and shows them no differently, so there is little to see and little harm: these delays say
more about the charts than about a generator that nobody has met."""
_NEVER_SAW = "The network was trained without the families below, and the reference is without them."
_PAGE = """# Drift: how soon, how often in vain

Written by `python -m bench.drift` for model {version} (network {network}). {saw}

Traffic is drawn from photos that the reference does not hold, {burst:g} photos of a shop in a row on average,
with a mix of real and AI-generated that wanders between 30 and 70 %; people judge {feedback:.0%} of the
photos, drawn by chance. An alarm is a warning or worse, by what photos show (`content`) or by people's labels
(`labels`). `inputs` sees only files and is no more than an information.

| bar | measured | limit | |
|---|---|---|---|
| false alarms in 100,000 stable photos | {false_value} ({false[alarms]} in {false[photos]:,}) \
| {false[limit]:g} | {false_passed} |
| runs alarmed within 500 photos of a new generator at 25 %, worst family | {new_value} \
| {new[limit]:g} | {new_passed} |

## New generators

Share of runs with an alarm within 500 photos; in brackets within 1,500, and the median delay where more than
half of the runs had one.

| family | photos | shops | recall | false alarms | share of traffic | alarm | content | labels | inputs \
| labels say: harmful / harmless / unknown |
|---|---|---|---|---|---|---|---|---|---|---|
{families}

![Delays](delay.png)

## Changes that need not harm

| change | share of traffic | alarm | content | labels | inputs | labels say: harmful / harmless / unknown |
|---|---|---|---|---|---|---|
{harmless}
"""


def write_report(folder: Path, result: dict[str, Any]) -> None:
    """Write `report.json`, `README.md` and `delay.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(markdown(result), encoding="utf-8")
    _plot(folder / "delay.png", result["families"])


def markdown(result: dict[str, Any]) -> str:
    """The report as a page."""
    families = "\n".join(_family_rows(name, each) for name, each in result["families"].items())
    harmless = "\n".join(
        f"| {name} | {change['share']:.0%} | {_cells(change)} |"
        for name, change in result["harmless"].items()
    )
    false, new = (result["bars"][name] for name in _BARS)
    return _PAGE.format(
        version=result["model_version"],
        network=result["network"],
        saw=_SAW if result["network_saw_families"] else _NEVER_SAW,
        burst=result["burst"],
        feedback=result["feedback"],
        false_value=_number(false["value"]),
        false=false,
        false_passed=_passed(false),
        new_value=_number(new["value"]),
        new=new,
        new_passed=_passed(new),
        families=families,
        harmless=harmless,
    )


def _family_rows(name: str, each: dict[str, Any]) -> str:
    stable = each["stable"]
    alarms = f"{stable['content'] + stable['labels']} in {stable['photos']:,}"
    return "\n".join(
        f"| {name} | {each['photos']} | {each['shops']} | {each['recall']:.2f} | {alarms} "
        f"| {change['share']:.0%} | {_cells(change)} |"
        for change in each["changes"]
    )


def _cells(change: dict[str, Any]) -> str:
    cells = []
    for channel in CHANNELS:
        each = change[channel]
        median = "" if each["median"] is None else f"; {each['median']:.0f}"
        cells.append(f"{each['within_500']:.2f} ({each['within_1500']:.2f}{median})")
    says = change["labels_say"]
    return " | ".join([*cells, f"{says['harmful']} / {says['harmless']} / {says['unknown']}"])


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _passed(bar: dict[str, Any]) -> str:
    return "pass" if bar["passed"] else "miss"


def _plot(path: Path, families: dict[str, Any]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only for the report
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for family, each in families.items():
        shares = [100 * change["share"] for change in each["changes"]]
        axes.plot(
            shares, [change["alarm"]["within_500"] for change in each["changes"]], marker="o", label=family
        )
    axes.axhline(0.95, color="grey", linestyle=":", label="bar at 25 %")
    axes.set_xlabel("share of traffic from the new generator, %")
    axes.set_ylabel("runs alarmed within 500 photos")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=8)
    # Without a date inside, the same figures give the same file.
    figure.savefig(path, dpi=110, metadata={"Software": None})
