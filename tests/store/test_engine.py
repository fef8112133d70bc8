"""Connections are durable and bounded as promised, and a wrong URL says why without repeating a password."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from src.store.engine import make_engine
from src.store.store import Store
from src.utils.errors import ConfigError


def test_sqlite_flushes_each_commit_and_readers_do_not_stop_the_writer(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        facts = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert facts == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_folder_of_the_file_is_made(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/a/b/detector.db")
    with engine.connect():
        assert (tmp_path / "a" / "b" / "detector.db").exists()
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("not a url", "cannot be read"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://root:hunter2@db/x", "SQLite or PostgreSQL"),
        ("postgresql+unheardof://root:hunter2@db/x", "not installed"),
    ],
)
def test_unusable_url_is_refused_without_its_password(url: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Store.open(url, spool_dir=tmp_path)
    assert "hunter2" not in str(caught.value)


def test_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match="not installed"):
        make_engine("postgresql://db/x")


@pytest.mark.parametrize("option", ["spool_dir", "images_dir"])
def test_folder_that_cannot_be_made(option: str, sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    options = {"spool_dir": tmp_path / "spool"} | {option: tmp_path / "file" / "x"}
    with pytest.raises(ConfigError, match="folder"):
        Store.open(sqlite_url, **options)
    with pytest.raises(ConfigError, match="folder"):
        make_engine(f"sqlite:///{tmp_path}/file/x/detector.db")
