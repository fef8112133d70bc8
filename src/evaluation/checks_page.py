"""The report's sections on what the views are worth and on shortcuts, in Markdown."""

from __future__ import annotations

from src.evaluation.counterfactual import MAX_COST
from src.evaluation.factcheck import MAX_SPEARMAN
from src.evaluation.figures import Report
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import made, name_of, short_name

GRID_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def views_section(report: Report) -> str:
    """What each choice of views gives, and which one was made."""
    if not report.ablation:
        return ""
    styles = sorted({style for row in report.ablation for style in row.auroc_by_style})
    rows = [
        (
            short_name(report, row.dataset),
            row.tier,
            row.views,
            interval(row.auroc),
            interval(row.balanced_accuracy),
            *(number(row.auroc_by_style.get(style)) for style in styles),
        )
        for row in sorted(
            report.ablation, key=lambda row: (row.dataset, ("clean", "web", "hard").index(row.tier))
        )
    ]
    header = ("data", "tier", "views", "AUROC", "balanced accuracy", *(f"AUROC, {style}" for style in styles))
    folds = "; ".join(
        f"without fold {fold}: {plan.crops} crops, {plan.global_weight:.2f}"
        for fold, plan in sorted(report.fold_plans.items())
    )
    chosen = (
        f"Chosen on {name_of(report, 'unseen')} by AUROC averaged over tiers: **{report.views.crops} crops, "
        f"global view {report.views.global_weight:.2f} of the logit**; the fewest crops within half a "
        "thousandth of the best. For the figures of `unseen` the choice for a fold is made on the "
        "other folds "
        f"({folds})."
    )
    parts = [f"## What the views are worth\n\n{chosen}", _grid(report), table(header, rows), made()]
    return "\n\n".join(parts)


def _grid(report: Report) -> str:
    rows = []
    for crops in sorted({point.crops for point in report.view_grid}):
        line = {point.global_weight: point.auroc for point in report.view_grid if point.crops == crops}
        best = max(line, key=lambda weight: line[weight])
        cells = (number(line.get(weight), 4) for weight in GRID_WEIGHTS)
        rows.append((str(crops), *cells, f"{line[best]:.4f} ({best:.2f})"))
    header = ("crops", *(f"weight {weight:g}" for weight in GRID_WEIGHTS), "best (weight)")
    return f"AUROC of `unseen`, mean of the tiers, by the weight of the global view:\n\n{table(header, rows)}"


def shortcut_section(report: Report) -> str:
    """The shortcut checks."""
    parts = []
    for check in report.shortcut:
        again = check.counterfactual
        accuracies = ", ".join(
            f"{name} {again.balanced_accuracy[name]:.1f} %" for name in again.balanced_accuracy
        )
        parts.append(
            f"### Re-encoding `{check.name}` ({again.photos} photos): the check "
            f"{'passes' if check.passes else '**fails**'}\n\nBalanced accuracy: {accuracies}. Looking like "
            f"the other label's files costs {interval(again.cost, 1)} points, held against the bar of "
            f"{MAX_COST:g}. As an explanation: looking like other files of the own label costs "
            f"{interval(again.control, 1)}; the difference, {interval(again.net, 1)}, is what the file's "
            "origin is worth to the network."
        )
        for facts in check.facts:
            rows = [
                (row.fact, row.label, str(row.photos), interval(row.spearman), number(row.within_source))
                for row in sorted(facts.rows, key=lambda row: -abs(row.spearman.value or 0.0))
            ]
            parts.append(
                f"Spearman correlation of the logit with facts of the file, within each label, "
                f"{name_of(report, facts.scores)}; the bar is {MAX_SPEARMAN:g}:\n\n"
                + table(("fact", "label", "photos", "Spearman", "within shops"), rows)
            )
    return (
        "\n\n".join(["## Shortcut check", *parts, made("python -m src.evaluation.shortcut")]) if parts else ""
    )
