"""Figures of a rehearsal: live traffic by stage, each model on the photos that judge, and detection delay."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.card import read_card
from src.evaluation.metrics import FloatArray, decision_metrics
from src.incident.exam import REPLICATES, judged
from src.incident.lookout import PAGE
from src.incident.records import Answer, Detection, Exam, StageFigures, Step
from src.incident.seen import Seen
from src.monitoring.drift.schema import Share
from src.monitoring.drift.statistics import wilson


def stage_figures(
    answers: Sequence[Answer], champion: str, labelled: Collection[str]
) -> tuple[StageFigures, ...]:
    """Figures of each stage under each model, in the order of their first photo; each photo counts once.

    Args:
        answers: All replies.
        champion: Version of the model that the incident met.
        labelled: Digests of photos that people judged: a later model may have learnt them, so they do not
            count for it.
    """
    usable = [
        each
        for each in answers
        if each.error is None and (each.model_version == champion or each.sha256 not in labelled)
    ]
    first: dict[tuple[str, str, str], Answer] = {}
    for each in usable:
        first.setdefault((each.stage, each.model_version or "", each.sha256), each)
    order: dict[tuple[str, str], int] = {}
    for each in first.values():
        order.setdefault((each.stage, each.model_version or ""), len(order))
    rows = sorted(first.values(), key=lambda each: order[each.stage, each.model_version or ""])
    return tuple(
        _stage(stage, version, list(group))
        for (stage, version), group in groupby(rows, key=lambda each: (each.stage, each.model_version or ""))
    )


def _stage(stage: str, version: str, rows: Sequence[Answer]) -> StageFigures:
    def share(chosen: Callable[[Answer], bool]) -> Share | None:
        mine = [each.right for each in rows if chosen(each)]
        return Share(**wilson(sum(mine), len(mine))._asdict()) if mine else None

    return StageFigures(
        stage=stage,
        model_version=version,
        photos=len(rows),
        new_share=sum(each.new for each in rows) / len(rows),
        accuracy=share(lambda each: True),  # noqa: ARG005
        recall_new=share(lambda each: each.new),
        recall_known=share(lambda each: each.fake and not each.new),
        specificity=share(lambda each: not each.fake),
    )


def sit_exam(step: Step, model: Path, known: Seen, new: Seen, *, replicates: int = REPLICATES) -> Exam:
    """Figures of a model on the photos that judge.

    Args:
        step: Which model.
        model: Its file; the photos were seen with its features.
        known: Real photos and fakes of known families.
        new: Of the new family.
        replicates: Bootstrap draws; shops are drawn as wholes.
    """
    seen = known.clean.joined(new.clean)
    found = judged(seen, model)
    policy = next(iter(found.decided)) if "balanced" not in found.decided else "balanced"
    decided, fake = found.decided[policy], seen.fake
    fresh = np.arange(len(seen)) >= len(known.clean)

    def figure(mask: np.ndarray[Any, np.dtype[np.bool_]], metric: str) -> Figure:
        def of(weights: FloatArray) -> dict[str, FloatArray]:
            return {metric: decision_metrics(fake[mask], decided[mask], weights)[metric]}

        return intervals(of, seen.source[mask], fake[mask], replicates=replicates)[metric]

    return Exam(
        step=step,
        model_version=read_card(model).version,
        photos=len(seen),
        accuracy=figure(np.ones(len(seen), bool), "accuracy"),
        recall_new=figure(fresh, "recall"),
        recall_known=figure(fake & ~fresh, "recall"),
        specificity=figure(~fake, "specificity"),
    )


def detection(
    answers: Sequence[Answer], seen: Mapping[str, datetime], change: Mapping[str, Any] | None, version: str
) -> Detection:
    """How long it took until somebody was told.

    Args:
        answers: All replies.
        seen: First time of each alarm.
        change: The first change that the service reported.
        version: Of the champion whose traffic drifted.
    """
    mine = [each for each in answers if each.error is None and each.model_version == version]
    fresh = [each for each in mine if each.new]
    first = min((each.at for each in fresh), default=None)
    start = min((each.number for each in fresh), default=None)
    alarmed = str(change["alarmed_id"]) if change else None
    at = next((each for each in mine if each.id == alarmed), None) if alarmed else None
    paged = seen.get(PAGE) or seen.get("service critical")

    def counted(until: Callable[[Answer], bool]) -> tuple[int, int]:
        chosen = [each for each in mine if start is not None and each.number >= start and until(each)]
        return len(chosen), sum(each.new for each in chosen)

    drift = (
        counted(lambda each: (each.id or "") <= alarmed) if alarmed and start is not None else (None, None)
    )
    page = counted(lambda each: each.at <= paged) if paged and start is not None else (None, None)
    early = (at is not None and start is not None and at.number < start) or (
        paged is not None and first is not None and paged < first
    )
    return Detection(
        first_new_at=first,
        drift_at=at.at if at is not None else None,
        drift_photos=drift[0],
        drift_new_photos=drift[1],
        drift_stage=at.stage if at is not None else None,
        alerts=dict(seen),
        paged_at=paged,
        paged_photos=page[0],
        paged_new_photos=page[1],
        before=early,
    )
