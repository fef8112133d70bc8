"""The refit: few labels bring the new family, and what was known is kept."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.card import read_card
from src.incident.candidate import grown_hash, next_version, refitted_card, write_candidate
from src.incident.fitting import Examples
from src.incident.head import Head, read_head
from src.incident.refit import RefitPlan, refit
from src.utils.errors import DataError
from src.utils.model_card import Calibration
from tests.incident.crowds import DIMENSION, crowd, head
from tests.support.tiny_model import tiny_card, write_tiny_model

KNOWN = crowd(400, 400, 0, seed=1)
NEW = crowd(0, 0, 60, seed=2)
JUDGED = crowd(1000, 1000, 0, seed=3)
JUDGED_NEW = crowd(0, 0, 500, seed=4)


@pytest.fixture(scope="module")
def found():
    return refit(KNOWN, NEW, head(), tiny_card())


def share_fake(who: Head, calibration: Calibration, photos: Examples, threshold: float = 0.5) -> float:
    return float((np.asarray(calibration.probability(who.logit(photos.embedding))) >= threshold).mean())


def part(photos: Examples, fake: bool) -> Examples:
    mask = photos.fake == fake
    return Examples(photos.embedding[mask], photos.fake[mask], photos.source[mask], photos.group[mask])


def test_the_old_head_misses_the_new_family_and_the_new_one_finds_it(found):
    assert share_fake(head(), Calibration(), JUDGED_NEW) < 0.2
    assert share_fake(found.head, found.calibration, JUDGED_NEW) > 0.85


@pytest.mark.parametrize("policy", ["balanced", "low_false_positive", "high_recall"])
def test_specificity_on_photos_never_fitted_loses_no_more_than_a_point(found, policy):
    real = part(JUDGED, False)
    before = share_fake(head(), Calibration(), real, tiny_card().policies[policy].threshold)
    # The crowd's own noise, two standard errors of a share, comes on top of the promised point.
    noise = 2 * np.sqrt(max(before, 0.002) / len(real))
    threshold = found.policies[policy].threshold
    assert share_fake(found.head, found.calibration, real, threshold) <= before + 0.01 + noise


def test_fakes_that_were_known_are_still_found(found):
    fakes = part(JUDGED, True)
    assert share_fake(found.head, found.calibration, fakes) > share_fake(head(), Calibration(), fakes) - 0.05


def test_what_it_says_of_itself_out_of_fold_holds_on_photos_never_fitted(found):
    assert found.recall_new == pytest.approx(share_fake(found.head, found.calibration, JUDGED_NEW), abs=0.12)
    assert (found.new, found.known) == (60, 800)


def test_it_takes_seconds(found):
    assert found.seconds < 60  # one or two on a machine that does nothing else


def test_the_same_photos_give_the_same_head(found):
    again = refit(KNOWN, NEW, head(), tiny_card())
    assert np.array_equal(again.head.weight, found.head.weight)
    assert again.calibration == found.calibration


def test_a_strong_penalty_leaves_the_old_head_nearly_as_it_was():
    held = refit(KNOWN, NEW, head(), tiny_card(), RefitPlan(strengths=(1e4,)))
    assert np.abs(held.head.weight - head().weight).max() < 1e-2


def test_labels_that_say_nothing_new_cost_no_specificity():
    poison = crowd(60, 0, 0, seed=9)
    wrong = Examples(poison.embedding, ~poison.fake, poison.source, poison.group)
    found = refit(KNOWN, wrong, head(), tiny_card())
    real = part(JUDGED, False)
    before = share_fake(head(), Calibration(), real)
    assert share_fake(found.head, found.calibration, real) <= before + 0.03


@pytest.mark.parametrize("count", [3, 101])
def test_too_few_and_too_many_labels_are_refused(count):
    with pytest.raises(DataError, match="10 to 100"):
        refit(KNOWN, crowd(0, 0, count), head(), tiny_card())


def test_known_photos_of_one_label_are_refused():
    with pytest.raises(DataError, match="of each label"):
        refit(crowd(400, 10, 0), NEW, head(), tiny_card())


def test_labels_of_one_group_cannot_be_judged_and_are_refused():
    lump = Examples(NEW.embedding, NEW.fake, NEW.source, np.full(len(NEW), "one"))
    with pytest.raises(DataError, match="one group"):
        refit(KNOWN, lump, head(), tiny_card())


def test_an_embedding_that_is_not_finite_is_refused():
    broken = NEW.embedding.copy()
    broken[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        refit(KNOWN, Examples(broken, NEW.fake, NEW.source, NEW.group), head(), tiny_card())


@pytest.mark.parametrize(
    ("version", "following"),
    [("0.1.0", "0.1.0+refit.1"), ("0.1.0+refit.1", "0.1.0+refit.2"), ("1.0+refit.9", "1.0+refit.10")],
)
def test_versions_count_the_heads_upon_the_same_features(version, following):
    assert next_version(version) == following


def test_the_hash_of_the_data_depends_on_the_photos_and_not_on_their_order():
    assert grown_hash("a", ["1", "2"]) == grown_hash("a", ["2", "1"]) != grown_hash("a", ["1"])


def test_a_card_tells_where_the_head_comes_from_and_no_figures_of_the_old_one(found):
    old = tiny_card(metrics={"unseen_clean_auroc": 0.9}, drift_reference="f" * 64)
    card = refitted_card(old, found, ["1"])
    assert card.version == "0.0.1+refit.1"
    assert card.metrics["refit_new_photos"] == 60
    assert "unseen_clean_auroc" not in card.metrics
    assert card.drift_reference is None
    assert card.data_hash != old.data_hash
    assert card.policies == found.policies
    assert card.policies.keys() == old.policies.keys()


def test_a_candidate_is_a_whole_model_file(found, tmp_path):
    assert head().weight.shape == (DIMENSION,)
    champion = write_tiny_model(tmp_path / "champion.onnx")
    card = write_candidate(champion, tmp_path / "candidate.onnx", found, ["1"])
    assert read_card(tmp_path / "candidate.onnx") == card
    assert read_head(tmp_path / "candidate.onnx").weight == pytest.approx(
        found.head.weight, rel=1e-4, abs=1e-5
    )
