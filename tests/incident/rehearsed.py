"""The record of a made-up rehearsal that met all its bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from src.evaluation.bootstrap import Figure
from src.evaluation.gates import GateResult
from src.incident.lookout import PAGE
from src.incident.records import Cause, Cluster, Detection, Event, Exam, Response, Run, StageFigures, Step
from src.monitoring.drift.schema import Share

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def figure(value: float) -> Figure:
    return Figure(value=value, low=value - 0.02, high=value + 0.02)


def share(value: float) -> Share:
    return Share(value=value, low=value - 0.02, high=value + 0.02)


def exam(step: Step, version: str, recall: float, specificity: float = 0.9) -> Exam:
    return Exam(
        step=step,
        model_version=version,
        photos=900,
        accuracy=figure(0.8),
        recall_new=figure(recall),
        recall_known=figure(0.85),
        specificity=figure(specificity),
    )


def response(step: Step, version: str, labels: int = 90, *, promoted: bool = True) -> Response:
    gate = GateResult(name="AUROC, unseen, hard", passed=promoted, value=0.7, limit=0.65, margin=0.05)
    return Response(
        step=step,
        model_version=version,
        labels=labels,
        at_hand=labels + 40,
        labels_left_out={"disagreement": 2},
        seconds=20.0,
        learning_s=2.5,
        registry_version=2,
        promoted=promoted,
        gates=(gate,),
        excused=(),
        versions={"manifest": "m" * 64, "dvc manifest.csv": "d" * 32},
    )


def a_run(**changes: object) -> Run:
    """The record; `changes` replace fields."""
    cluster = Cluster(
        number=3,
        photos=60,
        excess=0.2,
        judged_fake=0.3,
        labelled=12,
        labelled_fake=11,
        nearest_family="flux",
        new_share=0.9,
    )
    stage = StageFigures(
        stage="calm",
        model_version="1.0.0",
        photos=100,
        new_share=0.0,
        accuracy=share(0.9),
        recall_new=None,
        recall_known=share(0.85),
        specificity=share(0.92),
    )
    run = Run(
        family="openai",
        form="real",
        started=START,
        serving=START + timedelta(minutes=1),
        ended=START + timedelta(minutes=15),
        preparation_s=420.0,
        machine="Linux, 2 cores",
        pools={"train": 3000, "new_judge": 300},
        champion={"version": "1.0.0", "architecture": "net", "steps": 420, "photos": 3000},
        events=(Event(at=START, what="begun", facts={"family": "openai"}),),
        stages=(stage, stage.model_copy(update={"stage": "new 50%", "recall_new": share(0.4)})),
        exams=(
            exam("champion", "1.0.0", 0.45),
            exam("refit", "1.0.0+refit.1", 0.88, 0.895),
            exam("retraining", "1.1.0", 0.94, 0.905),
        ),
        detection=Detection(
            first_new_at=START + timedelta(minutes=2),
            drift_at=START + timedelta(minutes=3),
            drift_photos=210,
            drift_new_photos=33,
            drift_stage="new 25%",
            alerts={PAGE: START + timedelta(minutes=4)},
            paged_at=START + timedelta(minutes=4),
            paged_photos=300,
            paged_new_photos=60,
            before=False,
        ),
        cause=Cause(
            window=500,
            clusters=(cluster,),
            found=3,
            attribution="unknown; the nearest known family is flux",
            new_in_found=0.7,
            slices={"judged real": (40, 20)},
        ),
        responses=(response("refit", "1.0.0+refit.1"), response("retraining", "1.1.0", 150)),
        sent=1200,
        failed=0,
        plan={"family": "openai"},
    )
    return run.model_copy(update=changes)
