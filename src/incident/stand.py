"""What stands beside the traffic: models and what they see, registry, store, gates, versions of data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from src.data.manifest import manifest_hash
from src.data.splits import splits_hash
from src.evaluation.card import read_card, write_card
from src.evaluation.figures import Dataset, read_report
from src.evaluation.gates import GateLimits, GateResult, load_limits
from src.evaluation.promotion import Files, read_validation
from src.evaluation.selection import spread
from src.imaging.degrade import Tier
from src.incident.candidate import write_candidate
from src.incident.cause import Window
from src.incident.exam import check_shortcuts, examine
from src.incident.feedback import read_feedback
from src.incident.gating import FIRST, hold, promote
from src.incident.head import read_head
from src.incident.looked import look_once
from src.incident.networks import Bench, calibrate, take_champion, train_champion
from src.incident.plan import Places, RehearsalPlan
from src.incident.pools import Pools
from src.incident.records import Step
from src.incident.refit import refit
from src.incident.retrain import by_chance, examples_of, write_exam
from src.incident.screening import Judged, ScreeningRules, Witnesses, screen
from src.incident.seen import Seen
from src.incident.strict import as_strict
from src.monitoring.drift.reference import reference_path, write_reference
from src.registry.registry import Registry
from src.store.engine import READ_ONLY, make_engine
from src.store.live import LiveRow, newest
from src.utils.errors import DataError

FIRST_VERSION, TRAINED_VERSION = "1.0.0", "1.1.0"
_WINDOW = 500
# Time is short in a rehearsal, and its reviewers are known: labels need not ripen.
_RULES = ScreeningRules(quarantine_h=0.0, max_key_share=1.0)


@dataclass(frozen=True, slots=True)
class Tried:
    """What the gates said of a candidate."""

    version: int
    promoted: bool
    gates: list[GateResult]
    excused: list[str]


@dataclass(slots=True)
class Stand:
    """See the module.

    Attributes:
        champion: File of the model in service.
        reference: Known photos that no training saw, by the features in service.
        known: Known photos that judge, in three tiers: of known shops, and of unseen ones.
        fresh: The new family's photos that judge.
        report: Of the model in service, as the gates read it.
    """

    plan: RehearsalPlan
    places: Places
    pools: Pools
    champion: Path
    reference: Seen
    known: dict[Dataset, Seen]
    fresh: Seen
    report: Path
    shelf: Registry
    limits: GateLimits
    _hash: str = field(default="")

    @classmethod
    def set_up(cls, plan: RehearsalPlan, places: Places, pools: Pools, bench: Bench) -> Stand:
        """Train or take the champion, set its thresholds, judge it, and make it champion."""
        if places.champion is None:
            champion = train_champion(bench, pools)
        else:
            champion = take_champion(bench, pools, places.champion, plan.family)
        reference = look_once(champion, pools.reference, places.raw, places.seen)
        calibrate(champion, reference, FIRST_VERSION)
        known, fresh = _judges(champion, pools, places)
        stand = cls(
            plan=plan,
            places=places,
            pools=pools,
            champion=champion,
            reference=reference,
            known=known,
            fresh=fresh,
            report=champion.with_name("report.json"),
            shelf=Registry(_registry(places)),
            limits=load_limits(places.limits),
            _hash=splits_hash(pools.splits[record.photo_id] for record in pools.base),
        )
        stand._finish(champion, reference)
        version = stand.shelf.register(champion, stand._judge(champion, stand.report))
        stand.shelf.promote(version, [FIRST])
        return stand

    @property
    def registry_uri(self) -> str:
        """Where models are registered."""
        return _registry(self.places)

    @property
    def store_url(self) -> str:
        """Where the service keeps predictions."""
        return f"sqlite:///{self.places.live}/detector.db"

    @property
    def cache(self) -> Path:
        """Where the service keeps fetched models and their drift references."""
        return self.places.live / "models"

    def judges(self) -> tuple[Seen, Seen]:
        """The photos that judge: known kinds, and the new family."""
        return self.known["test"].joined(self.known["unseen"]), self.fresh

    def window(self, labels: Mapping[str, bool], new: set[str]) -> Window:
        """The latest photos that the champion judged, each once.

        Args:
            labels: What people said, by digest.
            new: The truth: digests of the new family's photos.
        """
        card = read_card(self.champion)
        rows = {each.sha256: each for each in self._rows(card.version, _WINDOW) if each.embedding is not None}
        if not rows:
            raise DataError("the store keeps no embedding of the alarmed window")
        logit = np.array([each.logit for each in rows.values()])
        _, policy = card.policy()
        return Window(
            sha256=list(rows),
            embedding=_embeddings(list(rows.values())),
            judged_fake=np.asarray(card.calibration.probability(logit)) >= policy.threshold,
            labels=labels,
            new=np.array([digest in new for digest in rows]),
        )

    def labels(self) -> tuple[list[Judged], dict[str, int]]:
        """Labels that may be learnt from, and how many others there are by reason."""
        people = read_feedback(self.store_url, None, read_card(self.champion).version)
        witnesses = Witnesses(self.reference.first, self.reference.fake)
        found = screen(people, witnesses, datetime.now(UTC), _RULES)
        reasons = sorted({each.reason for each in found.left_out})
        return list(found.taken), {str(reason): found.count(reason) for reason in reasons}

    def likeliest(self, labels: Mapping[str, bool]) -> list[str]:
        """Digests of photos that nobody has judged and the model in service calls AI-generated, surest first.

        After a refit that is where the new family is found, without anybody knowing which photos are of it.
        """
        card = read_card(self.champion)
        rows = {each.sha256: each for each in self._rows(card.version, 10 * _WINDOW)}
        return sorted(set(rows) - set(labels), key=lambda digest: (-rows[digest].logit, digest))

    def refit(self, labels: list[Judged]) -> tuple[Path, int, float]:
        """Fit a new head on the champion's features; returns the file, how many labels, and the seconds."""
        old, card = read_head(self.champion), read_card(self.champion)
        chosen = by_chance(labels, self.plan.labels_refit)
        found = refit(self.reference.examples(kept=True), examples_of(chosen), old, card)
        model = self.places.live / "refit" / "model.onnx"
        write_candidate(self.champion, model, found, [each.sha256 for each in chosen])
        self._finish(model, self.reference)
        return model, len(chosen), found.seconds

    def take(self, model: Path) -> None:
        """Look at all pools with a new network's features, and set its thresholds as strict as before.

        Thresholds are fitted as the first champion's were; specificity on known real photos is held.
        """
        before_card, before = read_card(self.champion), read_head(self.champion)
        old_real = self.reference.clean.where(~self.reference.clean.fake)
        reference = look_once(model, self.pools.reference, self.places.raw, self.places.seen)
        card = calibrate(model, reference, TRAINED_VERSION)
        real = reference.clean.where(~reference.clean.fake)
        after = read_head(model).logit(real.embedding)
        old = before.logit(old_real.embedding)
        policies = as_strict(card.policies, card.calibration, after, before_card, old)
        write_card(model, card.model_copy(update={"policies": policies}))
        self.reference = reference
        self.known, self.fresh = _judges(model, self.pools, self.places)
        self._finish(model, reference)

    def try_out(self, model: Path, step: Step) -> Tried:
        """Judge a candidate against the champion, and make it champion if the gates let it."""
        report = self._judge(model, model.with_name("report.json"))
        version = self.shelf.register(model, report)
        self.shelf.challenge(version)
        champion = self.shelf.champion()
        if champion is None:
            raise DataError(f"there is no champion to hold the {step} against")
        cache = self.places.live / "gates"
        mine, theirs = (
            Files(self.shelf.model_file(each, cache), read_report(self.shelf.report_file(each, cache)))
            for each in (self.shelf.find(version), champion)
        )
        results, excused = hold(mine, theirs, read_validation(self.places.validation), self.limits)
        promoted = promote(self.shelf, version, results, excused, against=champion.version)
        if promoted:
            self.champion, self.report = model, report
        return Tried(version, promoted, results, excused)

    def versions(self, step: Step) -> dict[str, str]:
        """Identities of the data that a step learnt from; DVC's as well, where it is installed."""
        place = (self.places.live if step == "retraining" else self.places.work) / "data"
        found = {"manifest": manifest_hash(self.pools.base), "splits": self._hash}
        return found | dvc_versions(place)

    def _rows(self, version: str, limit: int) -> list[LiveRow]:
        engine = make_engine(self.store_url)
        try:
            with engine.connect().execution_options(**{READ_ONLY: True}) as connection:
                return newest(connection, version, limit)
        finally:
            engine.dispose()

    def _judge(self, model: Path, target: Path) -> Path:
        """Write a model's report as the gates read it: new family and all."""
        some = spread(self.pools.judge_known, self.plan.shortcut_photos)
        shortcut = check_shortcuts(model, some, self.places.raw, "test")
        real = self.known["test"].where(~self.known["test"].fake)
        photos: dict[Dataset, Seen] = {**self.known, "heldout": self.fresh.joined(real.clean)}
        report = examine(model, photos, self._hash, [shortcut], replicates=self.plan.replicates)
        return write_exam(target, report)

    def _finish(self, model: Path, reference: Seen) -> None:
        """Make a model's drift reference beside it; the registry carries both to the service."""
        card = read_card(model)
        made = reference.reference(
            read_head(model), card, "photos that no training saw, clean", self.plan.simulation
        )
        path = reference_path(model)
        write_card(model, card.model_copy(update={"drift_reference": write_reference(path, made)}))


def dvc_versions(place: Path) -> dict[str, str]:
    """Put a folder's manifest and splits under DVC; returns the digests that it gives them.

    Raises:
        DataError: DVC fails.
    """
    files = ("manifest.csv", "splits.csv")
    commands = [] if (place / ".dvc").is_dir() else [["init", "--no-scm", "--quiet"]]
    for arguments in [*commands, ["add", "--quiet", *files]]:
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise DataError(f"dvc {arguments[0]} failed: {done.stderr.strip()[-300:]}")
    return {
        f"dvc {name}": str(yaml.safe_load((place / f"{name}.dvc").read_text())["outs"][0]["md5"])
        for name in files
    }


def _registry(places: Places) -> str:
    return f"sqlite:///{places.live}/mlflow.db"


def _judges(model: Path, pools: Pools, places: Places) -> tuple[dict[Dataset, Seen], Seen]:
    tiers: tuple[Tier, ...] = ("clean", "web", "hard")
    known: dict[Dataset, Seen] = {
        "test": look_once(model, pools.judge_known, places.raw, places.seen, tiers),
        "unseen": look_once(model, pools.judge_unseen, places.raw, places.seen, tiers),
    }
    return known, look_once(model, pools.new_judge, places.raw, places.seen)


def _embeddings(rows: list[LiveRow]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(each.embedding or b"", "<f2").astype(np.float32) for each in rows])
