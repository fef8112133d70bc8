"""Records: ids, exactness on their way through the spool, and refusals."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from src.store.records import Claim, Spooled, new_id
from src.store.tables import UtcDateTime, metadata
from tests.store.builders import a_claim, a_record

REPO = Path(__file__).parents[2]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_ids_are_version_7_unlike_each_other_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for millisecond in range(1_700_000_000_000, 1_700_000_000_200):
        monkeypatch.setattr("src.store.records.time.time_ns", lambda ms=millisecond: ms * 1_000_000)
        ids.append(new_id())
    assert ids == sorted(ids)
    assert {UUID(item).version for item in ids} == {7}
    assert len({new_id() for _ in range(1000)}) == 1000


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.binary(max_size=64))
def test_any_evidence_and_embedding_pass_the_spool_unchanged(evidence: dict, embedding: bytes) -> None:
    item = Spooled(record=a_record(evidence=evidence, embedding=embedding), claim=a_claim())
    assert Spooled.model_validate_json(item.model_dump_json()) == item


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc/passwd"},
        {"id": "A" * 32},
        {"sha256": "0"},
        {"label": "fake"},
        {"probability": 1.5},
        {"logit": float("nan")},
        {"created_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - the point
        {"unknown": 1},
    ],
)
def test_wrong_record_is_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        a_record(**change)


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "é", "a\nb"])
def test_wrong_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        Claim(key=key, body_hash="0" * 64)


def test_moment_without_a_zone_never_reaches_a_database() -> None:
    from sqlalchemy.dialects.sqlite import dialect

    with pytest.raises(ValueError, match="zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), dialect())  # noqa: DTZ001 - the point
    assert UtcDateTime().process_bind_param(None, dialect()) is None


def test_every_table_is_named_as_its_migration_names_it() -> None:
    assert set(metadata.tables) == {"predictions", "feedback", "idempotency_keys", "deletions", "jobs"}


def test_records_and_stats_load_no_database() -> None:
    code = "import sys, src.store.records, src.store.stats; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0
