"""The measured sections of the model card: performance, who is judged how, robustness, known failures."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.adversarial import SETTINGS
from src.evaluation.figures import Report
from src.evaluation.model_card_facts import REPORTS, STYLES, Facts
from src.evaluation.slices import SliceRow
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import name_of

_METRICS = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    "specificity": "specificity",
    "recall": "recall",
    "ece": "calibration error (ECE)",
}
_WORST = 5


def performance(facts: Facts) -> str:
    """The headline figures in every tier, and the bars that are missed."""
    report = facts.report
    blocks = [(each, tier) for each in report.datasets for tier in ("clean", "web", "hard")]
    rows = [
        (
            name,
            *(interval(report.block(each, tier).figures[key]) for each, tier in blocks),
        )
        for key, name in _METRICS.items()
    ]
    header = ("", *(f"`{each}`, {tier}" for each, tier in blocks))
    missed = [bar.name for bar in report.bars if not bar.met]
    bars = f"Of {len(report.bars)} bars, {len(report.bars) - len(missed)} are met" + (
        f"; missed: {'; '.join(missed)}." if missed else "."
    )
    return (
        f"## Performance\n\n{name_of(report, 'unseen')}: shops that the judging network never saw; "
        f"`test`: new photos "
        "of known shops. Policy `balanced`; 95 % intervals over shops; `web`: long side ≤ 768, JPEG q60, "
        "`hard`: "
        f"≤ 384, q40.\n\n{table(header, rows)}\n\n{bars}"
    )


def fairness(facts: Facts) -> str:
    """Figures by kind of seller, product category and generator, and the shops that fare worst."""
    parts = [
        (
            "## Who is judged how\n\nOn shops never seen, clean. *Right* is specificity for real photos, "
            "recall for "
            "AI-generated ones, balanced accuracy where a category has both."
        )
    ]
    for title, axis in (
        ("Kind of seller", "style"),
        ("Product category", "category"),
        ("Generator", "family"),
    ):
        rows = facts.report.slice_rows("unseen", "clean", axis)
        if rows:
            parts.append(f"### {title}\n\n{_slices(facts.report, rows)}\n\n{_spread(rows)}")
    shops = _worst([row for row in _shops(facts) if row.label == "real"])
    if shops:
        low = sum((row.right["balanced"].value or 0.0) < 0.5 for row in _shops(facts) if row.label == "real")
        parts.append(
            f"### Shops\n\nOf {sum(row.label == 'real' for row in _shops(facts))} shops with enough real "
            f"photos, "
            f"{low} have more than half of them accused under `balanced`; the lowest: "
            + ", ".join(f"`{row.name}` {number(row.right['balanced'].value, 2)}" for row in shops)
            + "."
        )
    return "\n\n".join(parts)


def _shops(facts: Facts) -> list[SliceRow]:
    return facts.report.slice_rows("unseen", "clean", "source")


def _worst(rows: Sequence[SliceRow]) -> list[SliceRow]:
    return sorted(rows, key=lambda row: (row.right["balanced"].value or 0.0, row.name))[:_WORST]


def _slices(report: Report, rows: Sequence[SliceRow]) -> str:
    policies = [name for name in ("balanced", "low_false_positive") if name in report.policies]
    header = ("", "photos", "sources", *(f"right, `{name}`" for name in policies), "AUROC")
    cells = [
        (
            STYLES.get(row.name, row.name) if row.axis == "style" else row.name,
            str(row.photos),
            str(row.sources),
            *(interval(row.right[name]) for name in policies),
            interval(row.auroc),
        )
        for row in rows
    ]
    return table(header, cells)


def _spread(rows: Sequence[SliceRow]) -> str:
    known = sorted(
        (row.right["balanced"].value, row.name) for row in rows if row.right["balanced"].value is not None
    )
    if not known:
        return ""
    (low, worst), (high, best) = known[0], known[-1]
    return f"Under `balanced` from {low:.2f} ({worst}) to {high:.2f} ({best})."


def robust(facts: Facts) -> str:
    """What changes of a picture cost, as far as it was measured of this version."""
    parts = ["## Robustness"]
    if facts.robustness is not None:
        rows = facts.robustness.rows
        base = rows[0]
        worst = sorted(rows[1:], key=lambda row: row.auroc_change.value or 0.0)[:_WORST]
        cells = [
            (row.name, interval(row.auroc), interval(row.specificity), interval(row.recall))
            for row in (base, *worst)
        ]
        parts.append(
            f"Of {len(rows) - 1} re-encodings, cuts, frames and overlays, those that cost most "
            f"([all]({REPORTS}/robustness.md)):\n\n"
            + table(("change", "AUROC", "specificity", "recall"), cells)
        )
    if facts.adversarial is not None:
        strongest = max(row.epsilon for row in facts.adversarial.rows)
        right = ", ".join(
            f"{SETTINGS[row.setting]} {number(row.accuracy.value, 2)}"
            for row in facts.adversarial.rows
            if row.epsilon == strongest
        )
        parts.append(
            f"Attacked with the model file in hand, at most {strongest}/255 in a channel, the share of "
            f"right verdicts "
            f"is: {right} ([all]({REPORTS}/adversarial.md)). The service does not apply the defence."
        )
    if facts.partial is not None:
        parts.append(
            "Partly generated photos called AI-generated: "
            + ", ".join(
                f"{row.fill} {row.share:.0%}: {number(row.found.value, 2)}"
                if row.fill != "none"
                else f"untouched: {number(row.found.value, 2)}"
                for row in facts.partial.rows
            )
            + f" ([all]({REPORTS}/partial.md))."
        )
    if facts.comparison is not None:
        ours, peer = facts.comparison.detectors
        parts.append(
            f"Beside `{peer.name}` {peer.version} on the same photos: AUROC {number(ours.auroc.value)} "
            f"against "
            f"{number(peer.auroc.value)} ([COMPARISON.md](COMPARISON.md))."
        )
    if len(parts) == 1:
        parts.append("Beyond the tiers nothing has been measured of this version.")
    return "\n\n".join(parts)


def failures(facts: Facts) -> str:
    """Where the model is wrong most, in its own figures."""
    lines = []
    for axis, words in (("style", "real photos of one kind"), ("family", "generators' families")):
        rows = _worst(facts.report.slice_rows("unseen", "clean", axis))
        if rows:
            row = rows[0]
            name = STYLES.get(row.name, row.name)
            missed = "accused" if row.label == "real" else "missed"
            share = 1 - (row.right["balanced"].value or 0.0)
            lines.append(f"- Of {words}, {name} fare worst: {share:.0%} are {missed} under `balanced`.")
    fakes = _worst([row for row in _shops(facts) if row.label == "ai_generated"])
    if fakes:
        lines.append(
            "- Sources of AI-generated pictures that get through most: "
            + ", ".join(f"`{row.name}` ({number(row.right['balanced'].value, 2)} found)" for row in fakes)
            + "."
        )
    if facts.partial is not None:
        weak = [row for row in facts.partial.rows if row.fill == "autoencoder" and row.share == 1.0]
        base = facts.partial.rows[0].found.value
        lines += [
            f"- A real photo that went whole through a generator's autoencoder is called AI-generated in "
            f"{number(row.found.value, 2)} of the cases (untouched: {number(base, 2)})."
            for row in weak
        ]
    if facts.robustness is not None:
        accused = min(facts.robustness.rows[1:], key=lambda row: row.specificity.value or 0.0)
        lines.append(
            f"- Real photos are accused most often after this change: {accused.name} (specificity "
            f"{number(accused.specificity.value)})."
        )
    return "## Known failures\n\n" + "\n".join(lines)
