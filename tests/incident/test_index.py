"""The list of post-mortems is made of their records."""

from __future__ import annotations

from src.incident.index import write_index
from src.incident.postmortem import bars
from tests.incident.rehearsed import a_run


def test_each_record_has_its_row_the_newest_first(tmp_path):
    missed = a_run(failed=3)
    for name, run in (("2026-01-02-google", a_run()), ("2026-03-04-openai", missed)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(run.model_dump_json())
    rows = [line for line in write_index(tmp_path).read_text().splitlines() if line.startswith("| [")]
    count, recall = len(bars(missed)), "| 0.450 | 0.880 | 0.940"
    assert rows == [
        f"| [2026-03-04-openai](2026-03-04-openai.md) {recall} | 3 of 1200 | {count - 1} of {count} |",
        f"| [2026-01-02-google](2026-01-02-google.md) {recall} | 0 of 1200 | {count} of {count} |",
    ]


def test_without_records_the_list_says_so(tmp_path):
    assert "none yet" in write_index(tmp_path / "new").read_text()
