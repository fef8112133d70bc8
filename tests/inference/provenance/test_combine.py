"""The rule: evidence moves a verdict towards AI or not at all."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.inference.provenance.combine import combine
from src.inference.provenance.signals import Kind, Provenance, Says, Signal, Strength, tidy
from src.utils.model_card import Label

SIGNALS = st.builds(
    Signal,
    kind=st.sampled_from(get_args(Kind)),
    says=st.sampled_from(get_args(Says)),
    strength=st.sampled_from(get_args(Strength)),
    reason=st.just("because"),
)
PROVENANCES = st.builds(Provenance, signals=st.lists(SIGNALS, max_size=5).map(tuple))
LABELS = st.sampled_from(get_args(Label))


def said(says: Says, strength: Strength) -> Provenance:
    return Provenance(signals=(Signal(kind="c2pa", says=says, strength=strength, reason="because"),))


@pytest.mark.parametrize(
    ("label", "says", "strength", "expected"),
    [
        ("real", "ai_generated", "conclusive", ("ai_generated", "provenance", False)),
        ("real", "ai_generated", "strong", ("real", "pixels_against_provenance", True)),
        ("real", "ai_generated", "weak", ("real", "pixels", False)),
        ("real", "ai_edited", "conclusive", ("real", "pixels_against_provenance", True)),
        ("real", "ai_edited", "strong", ("real", "pixels_against_provenance", True)),
        ("real", "ai_edited", "weak", ("real", "pixels", False)),
        ("ai_generated", "ai_generated", "conclusive", ("ai_generated", "pixels_and_provenance", False)),
        ("ai_generated", "ai_generated", "strong", ("ai_generated", "pixels_and_provenance", False)),
        ("ai_generated", "ai_edited", "strong", ("ai_generated", "pixels_and_provenance", False)),
        ("ai_generated", "ai_generated", "weak", ("ai_generated", "pixels", False)),
    ],
)
def test_the_documented_table(label, says, strength, expected):
    combined = combine(label, said(says, strength))
    assert (combined.label, combined.basis, combined.needs_review) == expected


def test_no_words_leave_the_pixels_verdict():
    for label in get_args(Label):
        combined = combine(label, Provenance())
        assert (combined.label, combined.basis, combined.needs_review) == (label, "pixels", False)


@settings(max_examples=60, deadline=None)
@given(PROVENANCES)
def test_nothing_that_a_file_says_makes_a_fake_look_real(provenance):
    combined = combine("ai_generated", provenance)
    assert combined.label == "ai_generated"
    assert not combined.needs_review


@pytest.mark.parametrize(("label", "strength"), list(product(get_args(Label), get_args(Strength))))
def test_a_camera_claim_of_any_strength_changes_nothing(label, strength):
    assert combine(label, said("camera", strength)) == combine(label, Provenance())


@settings(max_examples=60, deadline=None)
@given(LABELS, PROVENANCES, st.sampled_from(get_args(Strength)))
def test_a_forged_camera_claim_does_not_weaken_what_else_is_said(label, provenance, strength):
    forged = Provenance(signals=(*said("camera", strength).signals, *provenance.signals))
    assert combine(label, forged) == combine(label, provenance)


@settings(max_examples=60, deadline=None)
@given(PROVENANCES)
def test_only_a_conclusive_claim_of_a_generated_picture_overrules_the_pixels(provenance):
    overruled = combine("real", provenance).label == "ai_generated"
    assert overruled == (provenance.strength_of("ai_generated") == "conclusive")


def test_details_are_short_printable_lines():
    assert tidy("a\nb\x00c\u202e  d") == "a b c d"
    assert len(tidy("x" * 10_000)) == 200
    assert tidy(None) == tidy([1]) == ""
