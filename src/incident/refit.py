"""A new head from few labels: logistic regression on embeddings, held near the old head, calibrated honestly.

The features stay, so that minutes of training become a second of convex optimisation. What was learnt of
known photos is kept by three means: they are in the fit, the penalty is on the distance from the old head,
and each policy's threshold is set where specificity on them, out of fold, is what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from src.evaluation.calibration import damped_weights, fit_calibration
from src.incident.fitting import Examples, Problem, folds_of
from src.incident.head import Head
from src.incident.strict import as_strict
from src.utils.errors import DataError
from src.utils.model_card import Calibration, ModelCard, Policy

MOST_NEW = 100
"""Labels of one refit; with more, features should be trained, too."""
LEAST_NEW = 10
LEAST_KNOWN = 40
"""Of each label."""


@dataclass(frozen=True, slots=True)
class RefitPlan:
    """How a head is refitted.

    Attributes:
        strengths: Penalties to try, on the distance from the old head in units of a feature's spread.
        new_share: Weight of the new photos within their label; known ones have the rest.
        specificity_loss: What specificity on known real photos may lose under any policy.
        seed: Of the division into folds.
    """

    strengths: tuple[float, ...] = (3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 30.0)
    new_share: float = 0.35
    specificity_loss: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """A new head and what is known of it before anything is judged.

    Attributes:
        head: It.
        calibration: For its logits.
        policies: The card's, each with the threshold that keeps its specificity on known photos, out of fold.
        strength: The penalty that out-of-fold loss chose.
        new: Labels of the new kind it was fitted on.
        known: Known photos it was fitted on.
        recall_new: Share of the new AI-generated ones found, out of fold, under the default policy; None when
            none is AI-generated.
        specificity_before: Of the old head on the known real photos, under the default policy.
        specificity_after: Of the new head, out of fold.
        seconds: Taken.
    """

    head: Head
    calibration: Calibration
    policies: dict[str, Policy]
    strength: float
    new: int
    known: int
    recall_new: float | None
    specificity_before: float
    specificity_after: float
    seconds: float


def refit(known: Examples, new: Examples, old: Head, card: ModelCard, plan: RefitPlan | None = None) -> Refit:
    """Fit a head.

    Args:
        known: Photos that the network was not trained on, of both labels.
        new: At most `MOST_NEW` labelled photos of the new kind.
        old: The head in service.
        card: Its card.
        plan: How.

    Raises:
        DataError: Too many or too few photos, or an embedding that is not finite.
    """
    start = perf_counter()
    plan = plan or RefitPlan()
    _check(known, new)
    problem = Problem.of(known, new, old, card.calibration, plan.new_share)
    folds = list(folds_of(problem, plan.seed))
    strength = min(plan.strengths, key=lambda value: problem.loss_out_of_fold(folds, value))
    outside = problem.out_of_fold(folds, strength)
    head = problem.head(problem.fit(problem.weights, strength))
    usual = ~problem.new
    calibration = fit_calibration(
        problem.fake[usual], outside[usual], damped_weights(problem.fake[usual], problem.source[usual])
    )
    real, fresh = ~problem.fake & usual, problem.fake & problem.new
    old_logit = old.logit(problem.embedding[real])
    policies = as_strict(
        card.policies, calibration, outside[real], card, old_logit, loss=plan.specificity_loss
    )
    probability = np.asarray(calibration.probability(outside))
    before = np.asarray(card.calibration.probability(old_logit))
    threshold = policies[card.policy()[0]].threshold
    return Refit(
        head=head,
        calibration=calibration,
        policies=policies,
        strength=strength,
        new=len(new),
        known=len(known),
        recall_new=float((probability[fresh] >= threshold).mean()) if fresh.any() else None,
        specificity_before=float((before < card.policy()[1].threshold).mean()),
        specificity_after=float((probability[real] < threshold).mean()),
        seconds=perf_counter() - start,
    )


def _check(known: Examples, new: Examples) -> None:
    if not LEAST_NEW <= len(new) <= MOST_NEW:
        raise DataError(f"a refit takes {LEAST_NEW} to {MOST_NEW} labelled photos, not {len(new)}")
    if min(known.fake.sum(), (~known.fake).sum()) < LEAST_KNOWN:
        raise DataError(f"a refit needs {LEAST_KNOWN} known photos of each label")
    if not all(np.isfinite(each.embedding).all() for each in (known, new)):
        raise DataError("an embedding is not finite")
