"""The commands: every way in, every way out, and the exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from src.cli import app
from src.inference.provenance import inspector
from src.inference.provenance.signals import Provenance, Signal
from tests.support.pictures import encode
from tests.support.service import quiet_settings, running
from tests.support.tiny_model import tiny_card

RED = encode(Image.new("RGB", (80, 60), (230, 90, 40)), "PNG")
BLUE = encode(Image.new("RGB", (80, 60), (40, 90, 230)), "JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b_red.PNG").write_bytes(RED)
    (tmp_path / "a_blue[1].jpg").write_bytes(BLUE)
    (tmp_path / "notes.txt").write_text("not a photo")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c_red.webp").write_bytes(RED)
    (tmp_path / "named.jpg").mkdir()
    return tmp_path


def run(*arguments: str | Path, stdin: bytes | None = None, **environment: str) -> Any:
    return CliRunner(env=environment).invoke(app, [str(item) for item in arguments], input=stdin)


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_json_lines_for_a_folder(folder: Path, model_path: Path) -> None:
    result = run("detect", folder, "--json", "--model", model_path)
    assert result.exit_code == 0
    found = rows(result.stdout)
    assert [(Path(row["path"]).name, row["label"]) for row in found] == [
        ("a_blue[1].jpg", "real"),
        ("b_red.PNG", "ai_generated"),
    ]
    assert set(found[0]) == {
        "path", "label", "probability", "confidence", "needs_review", "threshold", "policy", "model_version",
        "provenance",
    }  # fmt: skip


def generated(folder: Path) -> Path:
    """A photo that is real to the tiny model, and whose file names a generator."""
    texts = PngInfo()
    texts.add_text("parameters", "a shoe\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64")
    path = folder / "generated.png"
    Image.new("RGB", (64, 64), (40, 90, 230)).save(path, "PNG", pnginfo=texts)
    return path


def test_provenance_is_told_as_the_api_tells_it(tmp_path: Path, model_path: Path) -> None:
    photo = generated(tmp_path)
    (row,) = rows(run("detect", photo, "--json", "--model", model_path).stdout)
    with running(quiet_settings(model_path)) as client:
        reply = client.predict(photo.read_bytes()).json()
    assert row["provenance"] == reply["provenance"]
    assert row["label"] == "real"
    assert row["provenance"]["basis"] == "pixels_against_provenance"
    assert row["provenance"]["needs_review"] is True


def test_table_and_csv_have_a_column_of_provenance(tmp_path: Path, model_path: Path) -> None:
    photo = generated(tmp_path)
    said = "pixels_against_provenance; generator_parameters says ai_generated (strong)"
    (row,) = csv.DictReader(io.StringIO(run("detect", photo, "--csv", "--model", model_path).stdout))
    assert row["provenance"] == said
    shown = run("detect", photo, "--model", model_path, COLUMNS="250").stdout
    assert said in shown
    assert "needs review" in shown


def test_stability_is_told_when_asked_for_in_every_output(folder: Path, model_path: Path) -> None:
    photo = folder / "b_red.PNG"
    options = ["--stability", "--model", model_path]
    (row,) = rows(run("detect", photo, "--json", *options).stdout)
    assert row["stability"]["flips"] is False
    assert len(row["stability"]["probabilities"]) == 5
    with running(quiet_settings(model_path)) as client:
        reply = client.predict(RED, "/predict?stability=true").json()
    assert row["stability"] == reply["evidence"]["stability"]
    (line,) = csv.DictReader(io.StringIO(run("detect", photo, "--csv", *options).stdout))
    assert line["stability"] == f"{row['stability']['score']:.2f}"
    assert f"stability {line['stability']}" in run("detect", photo, *options, COLUMNS="250").stdout


def test_a_bad_file_is_a_row_also_when_stability_is_asked_for(folder: Path, model_path: Path) -> None:
    (folder / "text.jpg").write_text("not a photo")
    result = run("detect", folder / "text.jpg", "--json", "--stability", "--model", model_path)
    assert result.exit_code == 1
    assert [row["error"] for row in rows(result.stdout)] == ["unsupported_format"]


def test_conclusive_claim_fails_on_fake_whatever_the_pixels_say(
    folder: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Signal(
        kind="c2pa", says="ai_generated", strength="conclusive", reason="A trusted signer says so."
    )
    monkeypatch.setattr(inspector, "inspect", lambda *_: Provenance(signals=(claim,)))
    options = ["--json", "--fail-on-fake", "--model", model_path]
    result = run("detect", folder / "a_blue[1].jpg", *options)
    assert result.exit_code == 3
    assert [row["provenance"]["label"] for row in rows(result.stdout)] == ["ai_generated"]


def test_recursive_takes_deeper_folders_and_each_photo_once(folder: Path, model_path: Path) -> None:
    result = run("detect", folder / "b_red.PNG", folder, "-r", "--json", "--model", model_path)
    names = [Path(row["path"]).name for row in rows(result.stdout)]
    assert names == ["b_red.PNG", "a_blue[1].jpg", "c_red.webp"]


def test_csv_has_a_header_and_a_row_for_each_photo(folder: Path, model_path: Path) -> None:
    result = run("detect", folder, folder / "gone.jpg", "--csv", "--model", model_path)
    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["label"] for row in found] == ["real", "ai_generated", ""]
    assert found[2]["error"] == "unreadable_file"
    assert float(found[1]["probability"]) > 0.5


def test_table_shows_names_as_they_are(folder: Path, model_path: Path) -> None:
    result = run("detect", folder, "--model", model_path, COLUMNS="250")
    assert result.exit_code == 0
    assert "a_blue[1].jpg" in result.stdout
    assert "ai_generated" in result.stdout


def test_table_shows_errors_and_doubts(tmp_path: Path, model_path: Path) -> None:
    (tmp_path / "doubt.png").write_bytes(encode(Image.new("RGB", (64, 64), (120, 90, 118)), "PNG"))
    (tmp_path / "bad.png").write_bytes(RED[:60])
    result = run("detect", tmp_path, "--model", model_path, COLUMNS="250")
    assert result.exit_code == 1
    assert "corrupt_image" in result.stdout
    assert "needs review" in result.stdout


def test_photo_on_stdin(model_path: Path) -> None:
    result = run("detect", "-", "--json", "--model", model_path, stdin=RED)
    assert result.exit_code == 0
    (row,) = rows(result.stdout)
    assert (row["path"], row["label"]) == ("-", "ai_generated")


@pytest.mark.parametrize(
    ("stdin", "code"),
    [(b"", "empty_file"), (b"text", "unsupported_format"), (RED + b"\0" * 5000, "file_too_large")],
)
def test_bad_photo_on_stdin(model_path: Path, stdin: bytes, code: str) -> None:
    result = run("detect", "-", "--json", "--model", model_path, stdin=stdin, DETECTOR_MAX_BYTES="4000")
    assert result.exit_code == 1
    assert rows(result.stdout)[0]["error"] == code


def test_bad_files_do_not_stop_the_rest(folder: Path, model_path: Path) -> None:
    (folder / "a_bad.jpg").write_bytes(BLUE[:400])
    for number in range(10):
        (folder / f"z_{number}.jpg").write_bytes(BLUE)
    result = run("detect", folder, folder / "notes.txt", "--json", "--model", model_path)
    assert result.exit_code == 1
    found = rows(result.stdout)
    assert len(found) == 14
    assert found[0]["error"] == "corrupt_image"
    assert found[-1]["error"] == "unsupported_format"
    assert sum("label" in row for row in found) == 12


@pytest.mark.parametrize(
    ("photo", "options", "code"),
    [
        ("b_red.PNG", ["--fail-on-fake"], 3),
        ("b_red.PNG", [], 0),
        ("a_blue[1].jpg", ["--fail-on-fake"], 0),
        ("b_red.PNG", ["--fail-on-fake", "gone.jpg"], 1),
    ],
)
def test_exit_codes(folder: Path, model_path: Path, photo: str, options: list[str], code: int) -> None:
    assert run("detect", folder / photo, *options, "--model", model_path).exit_code == code


def test_policy_moves_the_label(tmp_path: Path, model_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(encode(Image.new("RGB", (64, 64), (140, 90, 110)), "PNG"))
    labels = [
        rows(run("detect", photo, "--json", "--policy", policy, "--model", model_path).stdout)[0]["label"]
        for policy in ("balanced", "low_false_positive")
    ]
    assert labels == ["ai_generated", "real"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["detect"], "Missing argument"),
        (["detect", "x.jpg", "--json", "--csv"], "exclude each other"),
        (["detect", "x.jpg", "--colour"], "No such option"),
        (["detect", "x.jpg", "--model", "gone.onnx"], "no model file 'gone.onnx'"),
        (["model", "show", "--model", "gone.onnx"], "no model file 'gone.onnx'"),
    ],
)
def test_wrong_usage_is_exit_code_2_on_stderr(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in click.unstyle(result.stderr)
    assert result.stdout == ""


def test_unknown_policy_empty_folder_and_wrong_setting(tmp_path: Path, model_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(RED)
    empty = tmp_path / "empty"
    empty.mkdir()
    cases: list[tuple[list[str | Path], dict[str, Any], str]] = [
        (["detect", photo, "--policy", "lenient"], {}, "unknown policy"),
        (["detect", empty], {}, "no photos found"),
        (["detect", photo], {"DETECTOR_MIN_SIDE": "none"}, "DETECTOR_MIN_SIDE"),
    ]
    for arguments, environment, words in cases:
        result = run(*arguments, "--model", model_path, **environment)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr


def test_model_show_prints_the_card(model_path: Path) -> None:
    result = run("model", "show", DETECTOR_MODEL_PATH=str(model_path))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(tiny_card().to_json())


def test_runs_as_a_module_and_keeps_stdout_clean(folder: Path, model_path: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "src.cli",
        "detect",
        "-",
        "--json",
        "--model",
        str(model_path),
    ]
    done = subprocess.run(command, input=RED, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout.decode())[0]["label"] == "ai_generated"
    assert done.stderr == b""
