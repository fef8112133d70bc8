"""A trial drops what it cannot do in time and chooses its photos by their content alone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from src.inference.detection import Detection
from src.inference.shadow import Trial
from src.monitoring.rollout import RolloutMetrics
from tests.support.service import GatedDetector, nothing_prepared
from tests.support.tiny_model import tiny_card


class Slow:
    """A challenger that judges when it may."""

    def __init__(self, detection: Detection) -> None:
        self.card = tiny_card()
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)
        self._detection = detection

    def prepare(self, photo: bytes) -> Any:
        raise AssertionError("both models see the same views")

    def judge(self, items: Sequence[Any], policies: Sequence[str | None]) -> list[Detection]:
        self.begun.release()
        assert self.gate.wait(20)
        return [self._detection] * len(items)


def test_behind_its_queue_the_trial_drops_and_never_blocks(detection: Detection) -> None:
    registry = CollectorRegistry()
    trial = Trial(0.0, RolloutMetrics(registry), queue_size=2)
    champion, slow = GatedDetector(detection), Slow(detection)
    trial.champion = champion
    trial.begin(slow)
    trial.saw(champion, b"", nothing_prepared(), detection)
    assert slow.begun.acquire(timeout=60)  # one is in work, two may wait
    for _ in range(5):
        trial.saw(champion, b"", nothing_prepared(), detection)
    slow.gate.set()
    trial.close()

    def count(outcome: str) -> float | None:
        return registry.get_sample_value("detector_shadow_total", {"outcome": outcome})

    assert (count("agree"), count("dropped")) == (3, 3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_is_met_and_grows_without_changing_sides(detection: Detection, share: float) -> None:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    champion, challenger = GatedDetector(detection), Slow(detection)

    def chosen(part: float) -> set[str]:
        trial = Trial(part, RolloutMetrics(CollectorRegistry()))
        trial.challenger = challenger
        return {digest for digest in digests if trial.choose(champion, digest) is challenger}

    assert len(chosen(share)) == pytest.approx(4000 * share, abs=160)  # five standard deviations
    assert chosen(share / 2) <= chosen(share)


def test_without_a_challenger_the_champion_answers_all(detection: Detection) -> None:
    trial = Trial(1.0, RolloutMetrics(CollectorRegistry()))
    champion = GatedDetector(detection)
    assert trial.choose(champion, "0" * 64) is champion
    assert not trial.retire(champion, ZeroDivisionError())
    trial.saw(champion, b"", nothing_prepared(), detection)
    trial.close()
