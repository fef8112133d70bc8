"""Whatever dies or fills up: the rows of a catalogue are those of a scan that nobody disturbed, each once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from src.scan.judging import WORKER_DIED
from src.scan.local import run_local
from src.scan.messages import At, Done
from src.scan.places import Folder
from src.scan.run import _job, scan
from src.utils.errors import ConfigError, ModelError, ScanError
from tests.scan.catalogue import PHOTOS, SHARD, expected_rows, order_for, rows_of, settings_for
from tests.support.patience import eventually
from tests.support.pictures import photo_bytes
from tests.support.tiny_model import tiny_card, write_tiny_model

Rows = list[dict[str, Any]]
REPO = Path(__file__).parents[2]
SHARDS = -(-PHOTOS // SHARD)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    yield
    eventually(lambda: workers_of(os.getpid()) == [], "a worker process was left behind")


def workers_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "src.scan.child" in child.cmdline()]


def shards_in(dest: Path) -> int:
    return len(list(dest.glob("model_version=*/shard-*.parquet")))


def test_a_catalogue_with_damaged_photos_and_a_second_call(
    catalogue: Path, model_path: Path, expected: Rows, tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    first = scan(order_for(catalogue, dest, price=0.1), settings_for(model_path))
    assert rows_of(dest) == expected
    assert first.errors == {"corrupt_image": 1, "empty_file": 1, "unsupported_format": 1}
    assert (first.rows, first.ai_generated + first.real, first.resumed) == (PHOTOS, PHOTOS - 3, 0)
    assert first.cost is not None
    assert first.cost > 0
    before = {path: path.stat().st_mtime_ns for path in dest.glob("model_version=*/*")}
    again = scan(order_for(catalogue, dest), settings_for(model_path))
    assert (again.rows, again.resumed, again.errors) == (PHOTOS, PHOTOS, first.errors)
    assert {path: path.stat().st_mtime_ns for path in dest.glob("model_version=*/*")} == before


@pytest.mark.slow
def test_another_model_gets_rows_of_its_own_and_its_twin_is_refused(
    catalogue: Path, model_path: Path, tmp_path: Path
) -> None:
    few, dest = catalogue / "b" / "00*.jpg", tmp_path / "out"
    scan(order_for(few, dest), settings_for(model_path))
    newer = write_tiny_model(tmp_path / "newer.onnx", tiny_card(version="0.0.2"))
    scan(order_for(few, dest), settings_for(newer))
    rows = rows_of(dest)
    assert len(rows) == 2 * len({row["id"] for row in rows}) == 2 * 34
    assert {row["model_version"] for row in rows} == {"0.0.1", "0.0.2"}
    twin = write_tiny_model(tmp_path / "twin.onnx", tiny_card(name="twin"))
    with pytest.raises(ConfigError, match="another model"):
        scan(order_for(few, dest), settings_for(twin))
    with pytest.raises(ConfigError, match="another policy"):
        scan(order_for(few, dest, policy="high_recall"), settings_for(model_path))
    with pytest.raises(ConfigError, match="another source"):
        scan(order_for(catalogue, dest), settings_for(model_path))


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_nothing(
    catalogue: Path, model_path: Path, expected: Rows, tmp_path: Path
) -> None:
    order = order_for(catalogue, tmp_path / "out")
    job = _job(order, settings_for(model_path), Folder(tmp_path / "out"))
    done: list[int] = []
    killed: list[int] = []

    def listen(message: At | Done) -> None:
        if isinstance(message, Done):
            done.append(message.shard)
        if len(done) in (3, 20) and len(killed) < (1 if len(done) == 3 else 2):
            victim = workers_of(os.getpid())[0]
            victim.kill()
            killed.append(victim.pid)

    run_local(job, iter(range(job.plan.shards)), 2, listen)
    assert len(killed) == 2
    assert sorted(done) == list(range(SHARDS))
    assert rows_of(tmp_path / "out") == expected


@pytest.mark.slow
def test_a_killed_driver_takes_its_workers_along_and_is_resumed(
    catalogue: Path, model_path: Path, expected: Rows, tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    command = [sys.executable, "-m", "src.cli", "scan", str(catalogue), "--out", str(dest)]
    command += ["--model", str(model_path), "--shard-size", str(SHARD), "--workers", "2"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        eventually(lambda: shards_in(dest) >= 3 or driver.poll() is not None, "no shard was written", 120)
        workers = workers_of(driver.pid)
        driver.kill()
    before = shards_in(dest)
    assert 3 <= before < SHARDS
    assert workers
    eventually(lambda: not any(worker.is_running() for worker in workers), "orphans go on working")
    left_over = dest / "model_version=0.0.1" / f".shard-0000000.parquet.{'0' * 32}.tmp"
    left_over.write_bytes(b"half of a file")
    summary = scan(order_for(catalogue, dest), settings_for(model_path))
    assert before * SHARD <= summary.resumed < PHOTOS
    assert summary.rows == PHOTOS
    assert not left_over.exists()
    assert rows_of(dest) == expected


@pytest.mark.slow
def test_a_full_disk_stops_the_scan_and_room_lets_it_go_on(
    catalogue: Path, model_path: Path, expected: Rows, tmp_path: Path
) -> None:
    dest = tmp_path / "small"
    dest.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(dest)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a small disk")
    try:
        filler = dest / "filler"
        filler.write_bytes(b"x" * (1024 - 120) * 1024)
        with pytest.raises(ScanError, match="No space left"):
            scan(order_for(catalogue, dest), settings_for(model_path))
        assert 0 < shards_in(dest) < SHARDS
        assert list(dest.glob("**/*.tmp")) == []
        filler.unlink()
        summary = scan(order_for(catalogue, dest), settings_for(model_path))
        assert 0 < summary.resumed < PHOTOS == summary.rows
        assert rows_of(dest) == expected
    finally:
        subprocess.run(["umount", str(dest)], check=True)


@pytest.mark.slow
def test_a_photo_that_kills_its_worker_becomes_a_row(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os\nfrom PIL import Image\nopen_ = Image.open\n"
        "def opening(file, *args, **kwargs):\n"
        "    if hasattr(file, 'getvalue') and file.getvalue().endswith(b'POISON'):\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return open_(file, *args, **kwargs)\n"
        "Image.open = opening\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hook))
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.jpg").write_bytes(photo_bytes(number) + (b"POISON" if number == 6 else b""))
    summary = scan(order_for(folder, tmp_path / "out", workers=1), settings_for(model_path))
    assert summary.errors == {WORKER_DIED: 1}
    assert [row["error"] for row in rows_of(tmp_path / "out")] == [None] * 6 + [WORKER_DIED] + [None] * 5


def test_photos_whose_source_was_away_are_asked_for_again_when_that_is_wanted(
    model_path: Path, tmp_path: Path
) -> None:
    folder, dest, settings = tmp_path / "in", tmp_path / "out", settings_for(model_path)
    folder.mkdir()
    late = {3, 4, 18}
    photos = {number: photo_bytes(number, (96, 96)) for number in range(24)} | {5: b"no photo"}
    table = folder / "list.csv"
    table.write_text("id,path\n" + "".join(f"{number:02},{number}.jpg\n" for number in photos))
    for number in photos.keys() - late:
        (folder / f"{number}.jpg").write_bytes(photos[number])
    first = scan(order_for(table, dest, workers=1), settings)
    assert (first.errors, first.unread) == ({"unreadable_file": 3, "unsupported_format": 1}, 3)
    before = {row["id"]: row for row in rows_of(dest)}
    untouched = dest / "model_version=0.0.1" / "shard-0000001.parquet"
    written = untouched.stat().st_mtime_ns
    for number in late:
        (folder / f"{number}.jpg").write_bytes(photos[number])
    (folder / "0.jpg").unlink()  # what has a verdict is not asked for
    plain = scan(order_for(table, dest, workers=1), settings)
    assert (plain.resumed, plain.unread) == (24, 3)
    again = scan(order_for(table, dest, workers=1, retry_errors=True), settings)
    assert (again.rows, again.resumed, again.unread) == (24, 21, 0)
    assert again.errors == {"unsupported_format": 1}
    (folder / "0.jpg").write_bytes(photos[0])
    expected = {row["id"]: row for row in expected_rows(table, model_path)}
    after = {row["id"]: row for row in rows_of(dest)}
    assert after == expected
    assert {name for name in after if after[name] != before[name]} == {f"{number:02}" for number in late}
    assert untouched.stat().st_mtime_ns == written


def test_what_does_not_belong_together_is_refused(catalogue: Path, model_path: Path, tmp_path: Path) -> None:
    few, dest, settings = catalogue / "b" / "000*.jpg", tmp_path / "out", settings_for(model_path)
    scan(order_for(few, dest, workers=1), settings)
    with pytest.raises(ConfigError, match="shards are of 8"):
        scan(order_for(few, dest, shard_size=9), settings)
    with pytest.raises(ConfigError, match="needs the engine ray"):
        scan(order_for(few, dest, address="auto"), settings)
    with pytest.raises(ConfigError, match="another device"):
        scan(order_for(few, dest, device="auto"), settings)
    note = dest / "_runs" / "0.0.1.json"
    kept = note.read_bytes()
    note.write_bytes(b"{")
    with pytest.raises(ScanError, match="damaged"):
        scan(order_for(few, dest), settings)
    note.unlink()
    with pytest.raises(ConfigError, match="whose they are is gone"):
        scan(order_for(few, dest), settings)
    note.write_bytes(kept)
    (dest / "_plan" / "done.json").unlink()  # a new list might have other photos in the shards that are there
    with pytest.raises(ConfigError, match="another list"):
        scan(order_for(few, dest), settings)
    odd = write_tiny_model(tmp_path / "odd.onnx", tiny_card(version="1/../../up"))
    with pytest.raises(ModelError, match="cannot name a partition"):
        scan(order_for(few, tmp_path / "odd"), settings_for(odd))


def test_a_gpu_that_is_not_there_stops_the_scan(catalogue: Path, model_path: Path, tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("needs a runtime without CUDA")
    order = order_for(catalogue, tmp_path / "out", device="cuda", workers=1)
    # The model that the service serves is the one that is scanned with, by whichever name it is known.
    settings = settings_for(tmp_path / "another.onnx", model_uri=str(model_path))
    with pytest.raises(ConfigError, match="no CUDA"):
        scan(order, settings)
    assert (tmp_path / "out" / "_runs" / "0.0.1.json").is_file()


def test_a_model_that_changes_meanwhile_is_refused(catalogue: Path, model_path: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(model_path.read_bytes())
    order = order_for(catalogue, tmp_path / "out")
    job = _job(order, settings_for(model), Folder(tmp_path / "out"))
    write_tiny_model(model, tiny_card(name="other"))
    with pytest.raises(ModelError, match="changed"):
        run_local(job, iter([0]), 1, lambda _: None)
    assert shards_in(tmp_path / "out") == 0


def test_a_sample_estimates_and_a_bucket_takes_the_rows(
    catalogue: Path, model_path: Path, tmp_path: Path
) -> None:
    order = order_for(catalogue, tmp_path / "x", sample=40, seed=5)
    address = f"local://{tmp_path}/bucket"
    summary = scan(order.__class__(**{**vars(order), "dest": address}), settings_for(model_path))
    assert (summary.rows, summary.population, summary.sample) == (40, PHOTOS, 40)
    assert len(rows_of(tmp_path / "bucket")) == 40
