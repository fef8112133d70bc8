"""The record of a rehearsal in, its post-mortem as Markdown out: every word and figure is from the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from src.evaluation.bootstrap import Figure
from src.incident.records import Exam, Response, Run
from src.monitoring.drift.schema import Share

RECALL_REFIT, RECALL_TRAINED, LOSS, MINUTES = 0.85, 0.92, 0.01, 30.0
"""What was asked for: recall on the new family after each step, specificity lost, length of the rehearsal."""
RESPONSE = "response begins"
"""The event with which a rehearsal goes on, paged or not."""


def render(run: Run, pictures: Sequence[str], folder: str) -> str:
    """Write it.

    Args:
        run: The record.
        pictures: Names of the plots.
        folder: Where record and plots are, seen from the page.
    """
    parts = [
        f"# Incident: a generator of the family *{run.family}* gets past the detector",
        _summary(run),
        "## Timeline",
        _timeline(run),
        "## Impact",
        _impact(run),
        *(f"![{name}]({folder}/{name})" for name in pictures[:1]),
        "## Detection",
        _detection(run),
        "## Cause",
        _cause(run),
        *(f"![{name}]({folder}/{name})" for name in pictures[2:]),
        "## Actions",
        *(_action(each) for each in run.responses),
        "## Recovery",
        _recovery(run),
        *(f"![{name}]({folder}/{name})" for name in pictures[1:2]),
        "## Bars",
        _bars(run),
        "## How this was rehearsed",
        _method(run, folder),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def bars(run: Run) -> list[tuple[str, str, bool]]:
    """What was asked for, what was found, and whether that is enough."""
    exams = {each.step: each for each in run.exams}
    first = exams["champion"]
    found = [_harm(first), _page(run)]
    for step, least in (("refit", RECALL_REFIT), ("retraining", RECALL_TRAINED)):
        exam = exams.get(step)  # type: ignore[call-overload]
        recall = exam.recall_new.value if exam else None
        name = f"recall on the new family after the {step}, at least {least:.2f}"
        found.append((name, _number(recall), recall is not None and recall >= least))
        lost = _lost(first, exam)
        name = f"specificity lost by the {step}, at most {LOSS:.2f}"
        found.append((name, _number(lost), lost is not None and lost <= LOSS + 1e-9))
    refits = [each for each in run.responses if each.step == "refit"]
    learnt = ", ".join(f"{each.labels} of {each.at_hand} at hand" for each in refits) or "none"
    few = bool(refits) and all(0 < each.labels <= 100 for each in refits)
    found.append(("labelled photos that the refit learnt, at most 100", learnt, few))
    found.append(("failed requests, none", f"{run.failed} of {run.sent}", run.failed == 0 and run.sent > 0))
    length = f"{run.minutes:.1f} minutes, {run.preparation_s / 60:.1f} of them for the champion"
    found.append((f"length, at most {MINUTES:.0f} minutes", length, run.minutes <= MINUTES))
    promoted = [each.promoted for each in run.responses]
    held = promoted == [True, True]
    found.append(("both steps promoted by the gates", f"{sum(promoted)} of {len(promoted)}", held))
    return found


def _harm(first: Exam) -> tuple[str, str, bool]:
    """Without harm there is no incident: what follows would be a rehearsal of nothing."""
    new, known = first.recall_new.value, first.recall_known.value
    told = f"{_number(new)} against {_number(known)}"
    harmed = new is not None and known is not None and new < known
    return "the champion finds less of the new family than of known ones", told, harmed


def _page(run: Run) -> tuple[str, str, bool]:
    found = run.detection
    name = "somebody is paged by what traffic shows, once the new family comes and not before"
    if found.before:
        return name, "a false alarm came first", False
    if found.paged_at is None:
        return name, "nobody was paged", False
    response = next((each.at for each in run.events if each.what == RESPONSE), None)
    if response is not None and found.paged_at > response:
        return name, "only after the rehearsal went on without a page, and asked for labels", False
    return name, f"after {found.paged_photos} photos, {found.paged_new_photos} of them new", True


def _summary(run: Run) -> str:
    first, last = run.exams[0], run.exams[-1]
    form = "real photos" if run.form == "real" else "drawn pictures"
    return (
        f"{run.started:%Y-%m-%d}, a rehearsal on {form}. The champion {run.champion['version']} was trained "
        f"without the family and found {_percent(first.recall_new)} of its pictures. The last model, "
        f"{last.model_version}, finds {_percent(last.recall_new)}; specificity went from "
        f"{_percent(first.specificity)} to {_percent(last.specificity)}. "
        f"{run.failed} of {run.sent} requests failed."
    )


def _timeline(run: Run) -> str:
    rows = [
        (each.at, each.what, ", ".join(f"{k} {_short(v)}" for k, v in each.facts.items()))
        for each in run.events
    ]
    rows += [(at, f"alarm: {name}", "") for name, at in run.detection.alerts.items()]
    start = run.started
    return _table(
        ("time (UTC)", "after", "what", "facts"),
        [
            (f"{at:%H:%M:%S}", _after(start, at), what, facts)
            for at, what, facts in sorted(rows, key=lambda r: r[0])
        ],
    )


def _impact(run: Run) -> str:
    told = "Live traffic, each photo once; for later models only photos that nobody had judged."
    return f"{told} 95 % Wilson intervals.\n\n" + _table(
        ("stage", "model", "photos", "new", "accuracy", "recall, new", "recall, known", "specificity"),
        [
            (
                each.stage,
                each.model_version,
                str(each.photos),
                f"{each.new_share:.0%}",
                *(
                    _share(share)
                    for share in (each.accuracy, each.recall_new, each.recall_known, each.specificity)
                ),
            )
            for each in run.stages
        ],
    )


def _detection(run: Run) -> str:
    found = run.detection
    lines = []
    if found.drift_at is None:
        lines.append("The drift charts raised no alarm.")
    elif found.drift_photos is not None:
        lines.append(
            f"The drift charts raised their alarm {found.drift_photos} photos after the first new one, "
            f"{found.drift_new_photos} of them new, at stage *{found.drift_stage}*."
        )
    if found.paged_at is None:
        lines.append("Nobody was paged.")
    elif found.first_new_at is not None:
        lines.append(
            f"The page came {_seconds(found.first_new_at, found.paged_at)} after the first new photo: "
            f"{found.paged_photos} photos, {found.paged_new_photos} of them new."
        )
    if found.before:
        lines.append("**An alarm was raised before any new photo was sent: a false one.**")
    return " ".join(lines)


def _cause(run: Run) -> str:
    if run.cause is None:
        return "No cause was looked for."
    cause = run.cause
    stands = "no cluster stands" if cause.found is None else f"cluster {cause.found} stands"
    told = f"Of the {cause.window} latest photos, {stands} out against the reference. "
    told += f"Attribution: {cause.attribution}. "
    if cause.new_in_found is not None:
        told += f"In truth it holds {cause.new_in_found:.0%} of the window's new photos."
    table = _table(
        (
            "cluster",
            "photos",
            "excess",
            "judged AI",
            "labelled",
            "of these AI",
            "nearest family",
            "new (truth)",
        ),
        [
            (
                str(each.number),
                str(each.photos),
                f"{each.excess:+.1%}",
                f"{each.judged_fake:.0%}",
                str(each.labelled),
                str(each.labelled_fake),
                each.nearest_family,
                f"{each.new_share:.0%}",
            )
            for each in cause.clusters
        ],
    )
    slices = _table(
        ("people's labels on photos", "labels", "model wrong"),
        [(name, str(count), str(wrong)) for name, (count, wrong) in sorted(cause.slices.items())],
    )
    return f"{told}\n\n{table}\n\n{slices}"


def _action(response: Response) -> str:
    missed = [gate for gate in response.gates if not gate.passed]
    left = ", ".join(f"{count} {why}" for why, count in response.labels_left_out.items()) or "none"
    verdict = "promoted" if response.promoted else "**refused**"
    told = (
        f"**{response.step}, version {response.model_version}.** {response.labels} labelled photos of "
        f"{response.at_hand} at hand ({left} left out); "
        f"learning took {response.learning_s:.1f} s, and all until the service answered "
        f"{response.seconds:.1f} s. Registered as version {response.registry_version}; "
        f"{len(response.gates)} gates, {len(missed)} missed, {len(response.excused)} of these missed by the "
        f"champion no less: {verdict}."
    )
    lines = [
        f"- {gate.words}{' (as the champion)' if gate.name in response.excused else ''}" for gate in missed
    ]
    lines += [f"- {name}: `{value[:16]}`" for name, value in response.versions.items()]
    return "\n".join([told, "", *lines])


def _recovery(run: Run) -> str:
    return (
        "The same photos for every model: new photos of known shops, shops that no training saw, and the new "
        "family's, none of them ever learnt from. 95 % intervals over shops.\n\n"
        + _table(
            ("after", "model", "photos", "accuracy", "recall, new", "recall, known", "specificity"),
            [
                (
                    each.step,
                    each.model_version,
                    str(each.photos),
                    *(
                        _figure(value)
                        for value in (each.accuracy, each.recall_new, each.recall_known, each.specificity)
                    ),
                )
                for each in run.exams
            ],
        )
    )


def _bars(run: Run) -> str:
    return _table(
        ("asked for", "found", "met"),
        [(name, value, "yes" if met else "**no**") for name, value, met in bars(run)],
    )


def _method(run: Run, folder: str) -> str:
    pools = ", ".join(f"{count} {name}" for name, count in run.pools.items())
    champion = run.champion
    return (
        f"Photos: {pools}; none is in two pools, and no group. Champion: {champion['architecture']}, "
        f"{champion['steps']} steps on {champion['photos']} photos. Service, MLflow, Prometheus and "
        "Alertmanager ran for real, with the repository's rules and looks every second. The share of new "
        "photos rose on after the page, so that every stage could be measured. Reviewers are simulated, two "
        f"of three a photo, and tell the truth. Machine: {run.machine}. "
        f"The record: [{folder}/run.json]({folder}/run.json)."
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _figure(found: Figure) -> str:
    if found.value is None:
        return "–"
    return f"{found.value:.3f}" + ("" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})")


def _share(found: Share | None) -> str:
    return "–" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _percent(found: Figure) -> str:
    return "an unknown share" if found.value is None else f"{found.value:.1%}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _lost(first: Exam, then: Exam | None) -> float | None:
    if then is None or first.specificity.value is None or then.specificity.value is None:
        return None
    return first.specificity.value - then.specificity.value


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _after(start: datetime, at: datetime) -> str:
    seconds = int((at - start).total_seconds())
    return f"{seconds // 60}:{seconds % 60:02d}"


def _seconds(start: datetime, end: datetime) -> str:
    return f"{(end - start).total_seconds():.0f} s"
