"""The watch on made-up traffic: silent while it is stable, loud when a new crowd comes, and calm again."""

from __future__ import annotations

import numpy as np
import pytest

from src.monitoring.drift.page import render
from src.monitoring.drift.schema import DriftReport
from src.monitoring.drift.watch import Watch
from src.store.live import Answer, LiveRow
from tests.support.drift import START, draw, mixed, reference, rows


def play(
    watch: Watch, n: int, seed: int, start: int = 0, *, fake: float = 0.5, new: float = 0.0
) -> list[LiveRow]:
    found = rows(draw(mixed(n, fake, seed, new=new), seed), seed, start)
    watch.add(found)
    return found


def answers(found: list[LiveRow], truth: list[bool]) -> list[Answer]:
    return [Answer(row.id, fake, row.created_at) for row, fake in zip(found, truth, strict=True)]


def judged(found: list[LiveRow], *, errors: int) -> list[Answer]:
    """What people say when the model is wrong about the first few and right about the rest."""
    return answers(found, [(row.logit >= 0.0) != (place < errors) for place, row in enumerate(found)])


def said(watch: Watch, said_answers: list[Answer] | None = None) -> DriftReport:
    return watch.report(said_answers or [], START)


def test_a_few_photos_say_nothing_yet():
    watch = Watch(reference())
    play(watch, 20, seed=2)
    assert said(watch).status == "waiting"


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_stable_traffic_is_stable(seed):
    watch = Watch(reference())
    play(watch, 3000, seed=seed)
    report = said(watch)
    assert (report.severity, report.finding, report.channels) == ("none", "stable", ())
    assert max(chart.value / chart.limit for chart in report.charts) < 1.0
    assert [window.photos for window in report.windows] == [250, 500, 2000]


def test_a_mix_that_moves_is_told_and_is_no_alarm():
    watch = Watch(reference())
    play(watch, 600, seed=21)
    play(watch, 2000, seed=22, start=600, fake=0.75)
    report = said(watch)
    assert (report.severity, report.finding) == ("info", "mix_changed")
    assert not any(chart.over for chart in report.charts)


@pytest.mark.parametrize("seed", range(4))
def test_a_new_crowd_at_a_quarter_of_the_traffic_is_alarmed_within_500_photos(seed):
    watch = Watch(reference())
    play(watch, 600, seed=100 + seed)
    assert said(watch).severity == "none"
    play(watch, 500, seed=200 + seed, start=600, new=0.25)
    report = said(watch)
    assert (report.severity, report.finding) == ("warning", "changed")
    assert report.change is not None
    assert report.change.photos_since < 500
    assert abs((report.change.began_about - START).total_seconds() - 600) < 400


def changed() -> tuple[Watch, list[LiveRow]]:
    watch = Watch(reference())
    play(watch, 300, seed=31)
    return watch, play(watch, 900, seed=32, start=300, new=0.3)


def test_labels_without_more_errors_turn_an_alarm_into_an_information():
    watch, late = changed()
    some = late[500:650]
    report = said(watch, judged(some, errors=1))
    assert (report.severity, report.finding) == ("info", "harmless")


def test_labels_with_more_errors_turn_an_alarm_into_a_critical_one():
    watch, late = changed()
    report = said(watch, judged(late[500:560], errors=20))
    assert (report.severity, report.finding) == ("critical", "harmful")
    assert report.change is not None
    assert report.change.errors == 20


def test_labels_of_doubtful_photos_alone_do_not_prove_an_alarm_harmless():
    watch, late = changed()
    doubtful = [row for row in late[300:] if row.needs_review]
    assert len(doubtful) >= 40
    report = said(watch, judged(doubtful, errors=0))
    assert report.finding == "changed"


def test_many_errors_are_critical_although_no_photo_looks_odd():
    watch = Watch(reference())
    found = play(watch, 1000, seed=41)
    report = said(watch, judged(found[:120], errors=60))
    assert (report.severity, report.finding) == ("critical", "harmful")
    assert "labels" in report.channels


def test_the_same_photo_sent_again_is_no_news():
    watch = Watch(reference())
    found = play(watch, 100, seed=51)
    watch.add([row._replace(id=f"{place:032x}") for place, row in enumerate(found)])
    assert (watch.seen, watch.skipped) == (100, 100)


def test_photos_without_a_usable_embedding_are_counted_and_left_out():
    watch = Watch(reference())
    found = rows(draw(mixed(60, 0.5, 61), 61), 61)
    nan = np.full(48, np.nan, "<f2").tobytes()
    watch.add(
        [row._replace(embedding=wrong) for row, wrong in zip(found, [None, b"12", nan] * 20, strict=True)]
    )
    assert (watch.seen, watch.skipped) == (0, 60)


def test_an_alarm_ends_only_after_long_calm():
    watch = Watch(reference())
    play(watch, 300, seed=71)
    play(watch, 400, seed=72, start=300, new=0.5)
    assert said(watch).severity == "warning"
    play(watch, 120, seed=73, start=700)
    assert said(watch).severity == "warning"
    play(watch, 2500, seed=74, start=820)
    assert said(watch).severity == "none"


def test_other_files_are_an_information():
    watch = Watch(reference())
    play(watch, 300, seed=81)
    found = rows(draw(mixed(700, 0.5, 82), 82), 82, start=300)
    watch.add(
        [row._replace(facts={"format": "WEBP", "width": 512, "height": 512, "bytes": 9000}) for row in found]
    )
    report = said(watch)
    assert (report.severity, report.finding) == ("info", "inputs_changed")
    assert report.windows[0].inputs_psi["format"] > 1.0


def test_what_is_said_depends_only_on_the_photos_and_not_on_how_they_came():
    one, many = Watch(reference()), Watch(reference())
    found = play(one, 400, seed=91, new=0.1)
    for start in range(0, 400, 37):
        many.add(found[start : start + 37])
    first, second = said(one), said(many)
    assert first.finding == second.finding
    # The last digit of a matrix product depends on the size of the matrix.
    for a, b in zip(first.charts, second.charts, strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-3)


def test_the_page_shows_the_finding_and_escapes_what_it_is_given():
    watch, _ = changed()
    report = said(watch).model_copy(update={"model_version": "<b>1</b>"})
    page = render(report)
    assert "Drift: changed" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page
    assert "embedding_slow" in page
    assert "no reference" in render(DriftReport(status="no_reference"))
