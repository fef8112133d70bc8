"""Figures of a rehearsal are what the answers say: stages, models on the photos that judge, delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from src.data.families import family_of
from src.data.layout import original_path
from src.incident.lookout import PAGE
from src.incident.measure import detection, sit_exam, stage_figures
from src.incident.records import Answer
from src.incident.seen import look
from tests.incident.conftest import draw, record_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def answer(number: int, stage: str, kind: str, judged: str, version: str = "1.0.0", **more: object) -> Answer:
    """One reply, a second after the one before."""
    given = {
        "number": number,
        "at": START + timedelta(seconds=number),
        "stage": stage,
        "sha256": f"{number:064d}",
        "fake": kind != "real",
        "new": kind == "new",
        "id": f"{number:032d}",
        "label": judged,
        "model_version": version,
    }
    return Answer.model_validate(given | more)


ANSWERS = [
    answer(1, "calm", "real", "real"),
    answer(2, "calm", "known", "ai_generated"),
    answer(3, "calm", "known", "real"),
    answer(4, "calm", "known", "real", sha256=f"{3:064d}"),  # the same photo again
    answer(5, "new 50%", "new", "real"),
    answer(6, "new 50%", "real", "ai_generated"),
    answer(7, "new 50%", "new", "real", error="overloaded"),
    answer(8, "new 50%", "new", "ai_generated", "1.1.0"),
]


def test_each_photo_counts_once_in_its_stage_and_under_its_model():
    calm, risen, after = stage_figures(ANSWERS, "1.0.0", ())
    assert (calm.stage, calm.photos, calm.new_share, calm.recall_new) == ("calm", 3, 0.0, None)
    assert calm.accuracy.value == pytest.approx(2 / 3)
    assert calm.recall_known.value == 0.5
    assert calm.specificity.value == 1.0
    assert (risen.photos, risen.new_share, risen.specificity.value, risen.recall_new.value) == (
        2,
        0.5,
        0.0,
        0.0,
    )
    assert (after.model_version, after.recall_new.value) == ("1.1.0", 1.0)
    assert calm.accuracy.low < calm.accuracy.value < calm.accuracy.high


def test_photos_that_people_judged_do_not_count_for_later_models():
    judged = {each.sha256 for each in ANSWERS}
    assert [each.stage for each in stage_figures(ANSWERS, "1.0.0", judged)] == ["calm", "new 50%"]


def test_delay_is_counted_from_the_first_new_photo_by_photos_of_the_champion():
    seen = {PAGE: START + timedelta(seconds=6.5), "prometheus DriftCritical firing": START}
    found = detection(ANSWERS, seen, {"alarmed_id": f"{6:032d}"}, "1.0.0")
    assert found.first_new_at == ANSWERS[4].at
    assert (found.drift_photos, found.drift_new_photos, found.drift_stage) == (2, 1, "new 50%")
    assert (found.paged_photos, found.paged_new_photos) == (2, 1)
    assert found.before is False
    assert found.alerts == seen


def test_an_alarm_before_any_new_photo_is_told_as_such():
    assert detection(ANSWERS, {PAGE: START}, None, "1.0.0").before is True
    assert detection(ANSWERS, {}, {"alarmed_id": f"{2:032d}"}, "1.0.0").before is True


def test_silence_is_no_alarm():
    found = detection(ANSWERS, {}, None, "1.0.0")
    assert (found.drift_at, found.paged_at, found.paged_photos, found.before) == (None, None, None, False)


def test_an_exam_tells_the_new_family_from_what_was_known(tmp_path, champion, seen):
    records = []
    for number in range(30):
        data = draw("new", 70_000 + number)
        records.append(record_of(data, "new", number % 4, number))
        path = original_path(records[-1], tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    exam = sit_exam("champion", champion, seen["test"], look(champion, records, tmp_path), replicates=20)
    assert {family_of(each.generator) for each in records} == {"openai"}
    assert exam.photos == len(seen["test"].clean) + 30
    assert exam.recall_new.value < 0.3
    assert exam.recall_known.value > 0.8
    assert exam.specificity.value > 0.8
    assert exam.accuracy.low is not None
