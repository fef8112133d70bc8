"""Feedback in, a challenger out: screened labels, a refitted head or a new training, judged and registered.

Nothing here makes a champion unless it was asked to, and then only through every gate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from src.data.manifest import PhotoRecord
from src.evaluation import promotion
from src.evaluation.card import read_card, write_card
from src.evaluation.figures import Dataset, Report
from src.evaluation.gates import missed
from src.evaluation.selection import Selection, select, spread
from src.incident.candidate import write_candidate
from src.incident.exam import check_shortcuts, examine
from src.incident.feedback import read_feedback
from src.incident.fitting import Examples
from src.incident.full import train_on
from src.incident.head import read_head
from src.incident.refit import LEAST_NEW, MOST_NEW, refit
from src.incident.retrain_plan import Kept, RetrainPlan, RetrainResult
from src.incident.screening import Judged, Screened, ScreeningRules, Witnesses, screen
from src.incident.seen import Seen, look
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import reference_path, write_reference
from src.registry.names import Version
from src.registry.registry import Registry
from src.utils.errors import ConfigError, DataError, ModelError, PromotionRefused

log = structlog.get_logger(__name__)

LABELS, RESULT, MODEL, REPORT = "labels.json", "retrain.json", "model.onnx", "report.json"
SIMULATION = Simulation()
"""How the limits of a drift reference are found."""
_SHORTCUT_PHOTOS = 400


def retrain(plan: RetrainPlan, shelf: Registry, cache: Path, kept: Kept | None = None) -> RetrainResult:
    """Run it.

    Args:
        plan: What to do.
        shelf: Where the champion is and the challenger goes.
        cache: For the champion's file.
        kept: Photos that were kept; a training needs them, a refit does not.

    Raises:
        ConfigError: There is no champion, a training has no photos to learn from, or a refit no unseen shops
            to be judged on.
        DataError: The known photos are missing, or the champion was trained by other splits.
        StoreError: Feedback cannot be read.
        RegistryError: The registry fails.
    """
    champion = shelf.champion()
    if champion is None:
        raise ConfigError("there is no champion to improve: register and promote a model first")
    if plan.head_only and not _select(plan, "heldout").records:
        raise ConfigError(
            f"{plan.splits.name} keeps no shop out of all training (its split `heldout` is empty), so the "
            "gates on unseen shops could not be measured and a refit never be promoted: retrain without "
            "--head-only, or use a champion trained by splits with held out shops (--splits)"
        )
    model, now = shelf.model_file(champion, cache), datetime.now(UTC)
    since = plan.since or _registered(champion, plan.rules)
    people = read_feedback(plan.store_url, since, read_card(model).version)
    plan.out.mkdir(parents=True, exist_ok=True)
    result = RetrainResult(
        outcome="too_few_labels",
        champion=champion.version,
        since=since,
        labels=len(people),
        taken=0,
        left_out={},
        agreement=None,
    )
    if len(people) >= plan.least:
        known = _known(model, plan)
        screened = screen(people, Witnesses(known.first, known.fake), now, plan.rules)
        _write_labels(plan.out / LABELS, screened)
        result = result.model_copy(update=_counts(screened))
        log.info("labels_screened", taken=len(screened.taken), left_out=result.left_out)
        if len(screened.taken) >= max(plan.least, LEAST_NEW):
            result = _learn(
                result,
                plan,
                shelf=shelf,
                cache=cache,
                champion=model,
                known=known,
                labels=screened.taken,
                kept=kept,
            )
    (plan.out / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return result


def _learn(
    result: RetrainResult,
    plan: RetrainPlan,
    *,
    shelf: Registry,
    cache: Path,
    champion: Path,
    known: Seen,
    labels: Sequence[Judged],
    kept: Kept | None,
) -> RetrainResult:
    if plan.head_only:
        model, report, reference = _refit(plan, champion, known, labels)
    else:
        if kept is None:
            raise ConfigError(
                "a training needs photos, and the service keeps none: set DETECTOR_STORE_IMAGES"
            )
        photos = {each.sha256: (each.fake, kept.get(each.prediction_id)) for each in labels}
        places = {"manifest": plan.manifest, "splits": plan.splits, "raw": plan.raw, "out": plan.out}
        model, report, reference = train_on(photos, plan.full, **places)
    version = shelf.register(model, report)
    shelf.challenge(version)
    validation = promotion.read_validation(plan.validation)
    # Whoever is champion now: a training takes hours, and meanwhile people may have promoted another.
    present = shelf.champion()
    held = promotion.hold(shelf, version, present, cache=cache, validation=validation, limits=plan.limits)
    outcome: Literal["challenger", "refused", "promoted"] = "challenger"
    refusal = ""
    if plan.promote:
        against = promotion.number_of(present)
        try:
            shelf.promote(version, held, summary=promotion.summary(held), against=against)
            outcome = "promoted"
        except PromotionRefused as error:
            log.warning("promotion_refused", reason=error.message, missed=len(missed(held)))
            outcome, refusal = "refused", error.message
    return result.model_copy(
        update={
            "outcome": outcome,
            "refusal": refusal,
            "version": version,
            "model_version": read_card(model).version,
            "gates": tuple(held),
            "drift_reference": reference,
        }
    )


def _refit(
    plan: RetrainPlan, champion: Path, known: Seen, labels: Sequence[Judged]
) -> tuple[Path, Path, str]:
    """Refit the head on what the service keeps of each photo; returns model, report, drift reference."""
    card, old = read_card(champion), read_head(champion)
    chosen = by_chance(labels)
    found = refit(known.examples(kept=True), examples_of(chosen), old, card)
    model = plan.out / MODEL
    write_candidate(champion, model, found, [each.sha256 for each in chosen])
    reference = add_reference(model, known, "photos of val, clean")
    pools, selection = _judged_photos(champion, plan)
    shortcut = []
    if "test" in pools:
        some = spread(
            [each for each in selection if each.sha256 in set(pools["test"].sha256)], _SHORTCUT_PHOTOS
        )
        shortcut = [check_shortcuts(model, some, plan.raw, "test")]
    report = examine(model, pools, _select(plan, "test").splits_hash, shortcut)
    return model, write_exam(plan.out / REPORT, report), reference


def by_chance(labels: Sequence[Judged], most: int = MOST_NEW) -> list[Judged]:
    """At most `most` labels in the chance order of digests, half of them AI-generated where they are so many.

    Which they are does not hang on what the model said: its errors alone would turn the head round.
    """
    ordered = sorted(labels, key=lambda each: each.sha256)
    fakes, reals = ([each for each in ordered if each.fake == kind] for kind in (True, False))
    half = max(most - len(reals), most // 2)
    chosen = fakes[:half]
    return [*chosen, *reals[: most - len(chosen)]]


def add_reference(model: Path, seen: Seen, origin: str) -> str:
    """Make the drift reference beside a model and name it in the card; says what came of it.

    Args:
        model: The file.
        seen: Photos that it was not trained on.
        origin: Which they are, for people.
    """
    card = read_card(model)
    path = reference_path(model)
    try:
        digest = write_reference(path, seen.reference(read_head(model), card, origin, SIMULATION))
    except ModelError as error:
        log.warning("no_drift_reference", reason=error.message)
        return f"none: {error.message}"
    write_card(model, card.model_copy(update={"drift_reference": digest}))
    return path.name


def write_exam(path: Path, report: Report) -> Path:
    """Write a report for the registry; returns where it is."""
    path.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def _known(model: Path, plan: RetrainPlan) -> Seen:
    """Photos of known shops that the champion was not trained on, as it sees them."""
    selection = _select(plan, "val")
    facts = read_card(model).training
    if facts is None or facts.splits_hash != selection.splits_hash:
        raise DataError("the champion was trained by other splits: it may know these photos")
    return look(model, spread(selection.records, plan.known), plan.raw)


def _judged_photos(model: Path, plan: RetrainPlan) -> tuple[dict[Dataset, Seen], list[PhotoRecord]]:
    """`test`, and as `unseen` the shops that the splits keep out of all training, where they do."""
    pools: dict[Dataset, Seen] = {}
    every: list[PhotoRecord] = []
    wanted: tuple[tuple[Dataset, str], ...] = (("test", "test"), ("unseen", "heldout"))
    for dataset, split in wanted:
        records = spread(_select(plan, split).records, plan.judged)
        if records:
            pools[dataset] = look(model, records, plan.raw, ("clean", "web", "hard"))
            every += records
    return pools, every


def _select(plan: RetrainPlan, split: str) -> Selection:
    return select(plan.manifest, plan.splits, split, may_be_empty=split == "heldout")


def _registered(champion: Version, rules: ScreeningRules) -> datetime | None:
    text = champion.tags.get("registered")
    return datetime.fromisoformat(text) - timedelta(hours=rules.quarantine_h) if text else None


def _embeddings(labels: Sequence[Judged]) -> NDArray[np.float32]:
    return np.stack([each.embedding for each in labels if each.embedding is not None])


def examples_of(labels: Sequence[Judged]) -> Examples:
    """Labels as a refit takes them; of shops the store knows nothing."""
    digests = np.array([each.sha256 for each in labels])
    return Examples(
        _embeddings(labels),
        np.array([each.fake for each in labels]),
        np.full(len(labels), "feedback"),
        digests,
    )


def _counts(screened: Screened) -> dict[str, object]:
    reasons = sorted({each.reason for each in screened.left_out})
    return {
        "taken": len(screened.taken),
        "left_out": {reason: screened.count(reason) for reason in reasons},
        "agreement": screened.agreement,
    }


def _write_labels(path: Path, screened: Screened) -> None:
    taken = [
        {
            "prediction_id": each.prediction_id,
            "sha256": each.sha256,
            "label": "ai_generated" if each.fake else "real",
            "reviewers": sorted({vote.reviewer for vote in each.votes}),
        }
        for each in screened.taken
    ]
    left = [each.model_dump() for each in screened.left_out]
    path.write_text(json.dumps({"taken": taken, "left_out": left}, indent=1) + "\n", encoding="utf-8")
