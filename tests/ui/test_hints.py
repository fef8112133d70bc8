"""How a verdict holds and whose a picture may be: asked for by a switch, told in words, never as certain."""

from __future__ import annotations

import json

import pytest

from src.client import Attribution, Explanation, Stability
from src.ui.hints import attribution_words
from src.ui.sheet import as_json, sheet
from src.ui.strings import verdict as text
from tests.ui.conftest import words
from tests.ui.fakes import WHEN, FakeService, prediction
from tests.ui.test_inspect import PHOTO, with_photo


def test_how_it_holds_is_asked_for_by_the_switch_alone(opened, service) -> None:
    page = with_photo(opened)
    assert text.STABILITY_TITLE not in words(page)
    page.toggle(key="inspect_stability").set_value(True).run()
    assert not page.exception
    said = words(page)
    assert text.STABILITY_TITLE in said
    assert "at most 7 points" in said
    assert text.FORM.format(name=text.FORMS["half_size"], chance="86 %") in said
    assert service.asked.count("predict") == 2
    page.toggle(key="inspect_stability").set_value(False).run()
    assert text.STABILITY_TITLE not in words(page)
    assert service.asked.count("predict") == 2  # both answers are remembered


def test_a_verdict_that_flips_says_in_which_form_and_asks_for_a_person(opened, service) -> None:
    service.stability = Stability(score=0.5, flips=True, probabilities={"jpeg_q60": 0.9, "half_size": 0.43})
    page = with_photo(opened)
    assert text.REVIEW_FLAG not in words(page)
    page.toggle(key="inspect_stability").set_value(True).run()
    said = words(page)
    assert text.FLIPS.format(forms=text.FORMS["half_size"]) in said
    assert text.REVIEW_FLAG in said


@pytest.mark.parametrize(
    ("attribution", "told"),
    [
        (Attribution(family="flux", confidence=0.81, unknown=False), "Flux most (81 % among"),
        (Attribution(family=None, confidence=0.4, unknown=True), text.ATTRIBUTION_UNKNOWN),
    ],
)
def test_whose_it_may_be_is_told_as_a_hint(opened, service, attribution, told) -> None:
    service.attribution = attribution
    said = words(with_photo(opened))
    assert text.ATTRIBUTION_TITLE in said
    assert told in said


def test_nothing_is_said_of_generators_where_nothing_is_known(opened, service) -> None:
    assert text.ATTRIBUTION_TITLE not in words(with_photo(opened))
    assert attribution_words(None) == ""


def test_a_family_of_a_newer_service_is_told_by_its_name() -> None:
    assert "resembles pictures of new_one" in attribution_words(
        Attribution(family="new_one", confidence=0.9, unknown=False)
    )


def test_the_sheet_holds_both() -> None:
    service = FakeService()
    service.attribution = Attribution(family="flux", confidence=0.81, unknown=False)
    explained: Explanation = service.explain(PHOTO)
    facts = sheet(service.predict(PHOTO, stability=True), explained, name="a", photo=PHOTO, when=WHEN)
    told = json.loads(as_json(facts))
    assert told["stability"]["probabilities"] == {"jpeg_q60": 0.9, "half_size": 0.86}
    assert told["attribution"]["family"] == "flux"
    assert (
        json.loads(as_json(sheet(prediction(), None, name="a", photo=PHOTO, when=WHEN)))["stability"] is None
    )
