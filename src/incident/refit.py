"""A new head from few labels: logistic regression on embeddings, held near the old head, calibrated honestly.

The features stay, so that minutes of training become a second of convex optimisation. What was learnt of
known photos is kept by three means: they are in the fit, the penalty is on the distance from the old head,
and the calibration's bias is lowered, or a policy's threshold raised, until specificity on them, out of fold,
is what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from src.evaluation.calibration import fit_calibration
from src.incident.fitting import Examples, Floats, Problem, folds_of
from src.incident.head import Head
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

    strengths: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    new_share: float = 0.35
    specificity_loss: float = 0.005
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """A new head and what is known of it before anything is judged.

    Attributes:
        head: It.
        calibration: For its logits.
        policies: The card's; a threshold is higher where specificity asked for it.
        strength: The penalty that out-of-fold loss chose.
        new: Labels of the new kind it was fitted on.
        known: Known photos it was fitted on.
        recall_new: Share of the new AI-generated ones found, out of fold, under the default policy; None when
            none is AI-generated.
        specificity_before: Of the old head on the known real photos, under the default policy.
        specificity_after: Of the new head, out of fold.
        bias_lowered: By how much the bias was lowered below its likeliest value.
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
    bias_lowered: float
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
    calibration, policies, lowered = _calibrate(outside, problem, old, card, plan)
    policy = card.policy()[1]
    real, fresh = ~problem.fake & ~problem.new, problem.fake & problem.new
    probability = np.asarray(calibration.probability(outside))
    before = np.asarray(card.calibration.probability(old.logit(known.embedding[~known.fake])))
    return Refit(
        head=head,
        calibration=calibration,
        policies=policies,
        strength=strength,
        new=len(new),
        known=len(known),
        recall_new=float((probability[fresh] >= policy.threshold).mean()) if fresh.any() else None,
        specificity_before=float((before < policy.threshold).mean()),
        specificity_after=float((probability[real] < policy.threshold).mean()),
        bias_lowered=lowered,
        seconds=perf_counter() - start,
    )


def _check(known: Examples, new: Examples) -> None:
    if not LEAST_NEW <= len(new) <= MOST_NEW:
        raise DataError(f"a refit takes {LEAST_NEW} to {MOST_NEW} labelled photos, not {len(new)}")
    if min(known.fake.sum(), (~known.fake).sum()) < LEAST_KNOWN:
        raise DataError(f"a refit needs {LEAST_KNOWN} known photos of each label")
    if not all(np.isfinite(each.embedding).all() for each in (known, new)):
        raise DataError("an embedding is not finite")


def _calibrate(
    logit: Floats, problem: Problem, old: Head, card: ModelCard, plan: RefitPlan
) -> tuple[Calibration, dict[str, Policy], float]:
    """Calibration and policies for out-of-fold logits, as strict on known real photos as the card's.

    The bias is lowered as far as the default policy's specificity asks. Another policy that would still
    accuse more of them than before gets a higher threshold.

    Returns:
        The calibration, the policies, and by how much the bias was lowered.
    """
    fitted = fit_calibration(problem.fake, logit, problem.weights)
    real = ~problem.new & ~problem.fake
    score = np.sort(logit[real] / fitted.temperature)
    before = np.asarray(card.calibration.probability(old.logit(problem.embedding[real])))

    def highest(policy: Policy) -> float | None:
        """The score that must stay below the threshold; None where any may be above it."""
        wanted = float((before < policy.threshold).mean()) - plan.specificity_loss
        least = int(np.ceil(wanted * len(score) - 1e-9))
        return float(score[least - 1]) if least > 0 else None

    _, default = card.policy()
    kept, bias = highest(default), fitted.bias
    if kept is not None and 0.0 < default.threshold < 1.0:
        cut = float(np.log(default.threshold / (1.0 - default.threshold)))
        bias = min(bias, cut - kept - 1e-6)
    policies = {}
    for name, policy in card.policies.items():
        kept, threshold = highest(policy), policy.threshold
        if kept is not None and name != card.default_policy:
            threshold = max(threshold, min(1.0, Calibration(bias=bias).probability(kept) + 1e-6))
        policies[name] = policy.model_copy(
            update={"threshold": threshold, "review_high": max(policy.review_high, threshold)}
        )
    return Calibration(temperature=fitted.temperature, bias=bias), policies, fitted.bias - bias
