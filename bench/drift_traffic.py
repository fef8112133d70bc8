"""Simulated traffic for the drift benchmark, and what the charts, the alarms and the labels make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from src.evaluation.embeddings import EmbeddingTable
from src.evaluation.reference import default_cut, make_reference
from src.monitoring.drift.bank import CHARTS, CONTENT, INPUTS, Bank, Simulation
from src.monitoring.drift.charts import Bernoulli, Cusum
from src.monitoring.drift.inputs import input_features
from src.monitoring.drift.labels import LIMIT, ODDS, Harm, Labelled, LabelReader
from src.monitoring.drift.observed import Observed
from src.monitoring.drift.reference import Reference
from src.monitoring.drift.space import Features, Sample
from src.monitoring.drift.traffic import Pool, stable_traffic
from src.monitoring.drift.watch import Alarm
from src.utils.model_card import ModelCard

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
BEFORE = 600
"""Stable photos before a change."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A reference, and the photos that traffic is drawn from: stable ones first, new ones behind them.

    Attributes:
        reference: Made of other photos than `table` holds.
        table: N photos of live traffic.
        stable: How many of them are like the reference's; the rest is new.
        features: Of all N.
        chances: float64 [N], how probable an error of the model is by the reference.
        wrong: bool [N], whether it is one.
    """

    reference: Reference
    table: EmbeddingTable
    stable: int
    features: Features
    chances: Floats
    wrong: NDArray[np.bool_]

    @classmethod
    def build(
        cls, known: EmbeddingTable, new: EmbeddingTable | None, card: ModelCard, plan: Simulation, seed: int
    ) -> World:
        """Halve the known photos by their groups into reference and live traffic, and put the new behind."""
        rng = np.random.default_rng(seed)
        _, group = np.unique(known.group, return_inverse=True)
        half = (rng.permutation(group.max() + 1) % 2 == 0)[group]
        reference = make_reference(known.where(half), card, "half of the benchmark's photos", plan)
        live = known.where(~half)
        return cls.of(reference, live, new, card)

    @classmethod
    def of(
        cls, reference: Reference, live: EmbeddingTable, new: EmbeddingTable | None, card: ModelCard
    ) -> World:
        """Put stable and new photos together and compute once what each is to the charts."""
        table = live if new is None else live.joined(new)
        inputs = input_features(table.format, table.width, table.height, table.quality, table.bytes_per_pixel)
        sample = Sample(reference.reduce(table.embedding.astype(np.float32)), table.logit, inputs)
        wrong = (table.logit >= default_cut(card)) != table.fake
        chances = LabelReader(reference).chances_of(table.logit)
        return cls(reference, table, len(live), reference.space.features(sample), chances, wrong)

    def stream(
        self, rng: np.random.Generator, *, runs: int, photos: int, share: float, plan: Simulation
    ) -> Iterator[Index]:
        """Indices into the table, one photo of each run at a time; after `BEFORE` photos some are new."""

        def draw(part: slice) -> Iterator[Index]:
            pool = Pool(self.table.fake[part], self.table.source[part])
            return stable_traffic(pool, rng, streams=runs, photos=photos, burst=plan.burst, mix=plan.mix)

        stable = draw(slice(0, self.stable))
        if share == 0.0:
            yield from stable
            return
        new = np.zeros(runs, bool)
        for turn, (known, fresh) in enumerate(zip(stable, draw(slice(self.stable, None)), strict=True)):
            # A burst of new photos is as long as any other.
            turned = rng.random(runs) < 1.0 / plan.burst
            new = np.where(turned, rng.random(runs) < share, new) & (turn >= BEFORE)
            yield np.where(new, fresh + self.stable, known)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What R runs of T photos looked like.

    Attributes:
        index: int64 [T, R], which photo.
        shares: float64 [T, charts, R], charts as shares of their limits.
        labels: float64 [T, R], the labels' CUSUM as a share of its limit.
        labelled: bool [T, R], which photos people judged.
    """

    index: Index
    shares: Floats
    labels: Floats
    labelled: NDArray[np.bool_]


def play(
    world: World,
    rng: np.random.Generator,
    *,
    runs: int,
    photos: int,
    share: float,
    feedback: float,
    plan: Simulation,
) -> Played:
    """Run traffic through the service's own charts."""
    bank, errors = Bank(runs, world.reference.space), Cusum(runs)
    limits = np.array([world.reference.facts.limits[name] for name in CHARTS])[:, None]
    ratio = Bernoulli(world.chances, ODDS).ratio(world.wrong)
    indices, shares, labels, judged = [], [], [], []
    for index in world.stream(rng, runs=runs, photos=photos, share=share, plan=plan):
        labelled = rng.random(runs) < feedback
        indices.append(index)
        judged.append(labelled)
        shares.append(bank.step(world.features[index]) / limits)
        labels.append(errors.step(np.where(labelled, ratio[index], 0.0)) / LIMIT)
    return Played(np.stack(indices), np.stack(shares), np.stack(labels), np.stack(judged))


def onsets(world: World, played: Played, run: int, charts: tuple[str, ...]) -> list[int]:
    """The photos at which an alarm with the service's hysteresis is raised in one run."""
    alarm, found = Alarm(charts), []
    nobody = _observed(world, 0, 0)
    rows = played.shares[:, :, run]
    for turn, row in enumerate(rows):
        was = alarm.on
        alarm.hear(nobody, dict(zip(CHARTS, row.tolist(), strict=True)))
        if alarm.on and not was:
            found.append(turn)
    return found


def first_over(values: Floats, start: int) -> Floats:
    """Photos from `start` until each run's value exceeds 1, float64 [R]; infinite where it never does."""
    over = values[start:] > 1.0
    return np.where(over.any(axis=0), over.argmax(axis=0) + 1.0, np.inf)


def delays(played: Played) -> dict[str, Floats]:
    """Photos from the change to the alarm of each channel, float64 [R] each."""
    content = [CHARTS.index(name) for name in CONTENT]
    found = {
        "content": first_over(played.shares[:, content].max(axis=1), BEFORE),
        "labels": first_over(played.labels, BEFORE),
        "inputs": first_over(played.shares[:, CHARTS.index(INPUTS)], BEFORE),
    }
    found["alarm"] = np.minimum(found["content"], found["labels"])
    return found


def harm(world: World, played: Played, run: int) -> Harm:
    """What the labels since the change say at the end of a run."""
    turns = [turn for turn in range(BEFORE, len(played.index)) if played.labelled[turn, run]]
    labelled = [
        Labelled(photo, bool(world.table.fake[played.index[turn, run]]), photo.at)
        for turn in turns
        for photo in [_observed(world, int(played.index[turn, run]), turn)]
    ]
    return LabelReader(world.reference).since(labelled, "").harm


def _observed(world: World, place: int, turn: int) -> Observed:
    """A photo as labels are judged by: its logit, and that nobody was asked to look."""
    logit = float(world.table.logit[place])
    return Observed(
        id=f"{turn:032x}",
        at=datetime.fromtimestamp(turn, UTC),
        logit=logit,
        fake=logit >= world.reference.facts.cut,
        review=False,
        far=False,
        source=None,
        reduced=np.zeros(0),
        format="",
        inputs=(np.nan, np.nan, np.nan),
    )
