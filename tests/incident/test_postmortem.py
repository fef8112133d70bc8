"""The page says what the record says, and a missed bar is called missed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from src.incident.plots import draw_run
from src.incident.postmortem import RESPONSE, bars, render
from src.incident.records import Event, read_run
from tests.incident.rehearsed import START, a_run, exam, response


def missed(run) -> list[str]:
    return [name for name, _, met in bars(run) if not met]


def test_a_good_rehearsal_meets_every_bar():
    assert missed(a_run()) == []
    assert len(bars(a_run())) == 10


RUN = a_run()
CHAMPION, REFIT, TRAINED = RUN.exams
FIRST, SECOND = RUN.responses


@pytest.mark.parametrize(
    ("changes", "bar"),
    [
        ({"exams": (CHAMPION, exam("refit", "r", 0.84), TRAINED)}, "after the refit"),
        ({"exams": (CHAMPION, REFIT, exam("retraining", "t", 0.91))}, "after the retraining"),
        ({"exams": (CHAMPION, exam("refit", "r", 0.9, 0.889), TRAINED)}, "lost by the refit"),
        ({"exams": (CHAMPION, REFIT, exam("retraining", "t", 0.95, 0.88))}, "lost by the retraining"),
        ({"responses": (response("refit", "r", 101), SECOND)}, "labelled photos"),
        ({"responses": (response("refit", "r", promoted=False), SECOND)}, "promoted by the gates"),
        ({"responses": ()}, "promoted by the gates"),
        ({"exams": (exam("champion", "1.0.0", 0.86), REFIT, TRAINED)}, "less of the new family"),
        ({"detection": RUN.detection.model_copy(update={"paged_at": None})}, "is paged"),
        ({"events": (Event(at=START, what=RESPONSE),)}, "is paged"),
        ({"detection": RUN.detection.model_copy(update={"before": True})}, "is paged"),
        ({"failed": 1}, "failed requests"),
        ({"sent": 0}, "failed requests"),
        ({"preparation_s": 1500.0}, "length"),
        ({"ended": START + timedelta(minutes=31)}, "length"),
    ],
)
def test_each_bar_can_be_missed(changes, bar):
    assert any(bar in name for name in missed(a_run(**changes)))


def test_a_step_that_was_not_measured_is_missed():
    assert len(missed(a_run(exams=(CHAMPION,)))) == 4


def test_the_page_tells_timeline_impact_detection_cause_actions_and_recovery():
    page = render(RUN, ["traffic.png", "exams.png", "clusters.png"], "folder")
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        *("## Timeline", "## Impact", "## Detection", "## Cause", "## Actions", "## Recovery", "## Bars"),
        "## How this was rehearsed",
    ]
    for words in (
        "found 45.0% of its pictures",
        "210 photos after the first new one",
        "The page came 120 s after the first new photo",
        "cluster 3 stands out",
        "unknown; the nearest known family is flux",
        "70% of the window's new photos",
        "| judged real | 40 | 20 |",
        "**refit, version 1.0.0+refit.1.** 90 labelled photos",
        "`dddddddddddddddd`",
        "0.880 (0.860 to 0.900)",
        "0 of 1200 requests failed",
        "[folder/run.json](folder/run.json)",
    ):
        assert words in page, words
    assert "**no**" not in page
    assert page.count("](folder/") == 4


def test_silence_and_false_alarms_are_told():
    silent = RUN.detection.model_copy(update={"drift_at": None, "paged_at": None})
    page = render(a_run(detection=silent, cause=None), [], "f")
    assert "The drift charts raised no alarm. Nobody was paged." in page
    assert "No cause was looked for." in page
    early = RUN.detection.model_copy(update={"before": True})
    assert "a false one" in render(a_run(detection=early), [], "f")


def test_a_refusal_names_the_gate():
    page = render(a_run(responses=(response("refit", "r", promoted=False), SECOND)), [], "f")
    assert "**refused**" in page
    assert "- AUROC, unseen, hard" in page


def test_plots_are_drawn_of_what_there_is(tmp_path):
    assert draw_run(RUN, tmp_path / "all") == ["traffic.png", "exams.png", "clusters.png"]
    assert draw_run(a_run(cause=None), tmp_path / "less") == ["traffic.png", "exams.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "all").iterdir())


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(RUN.model_dump_json(indent=1))
    assert read_run(path) == RUN
