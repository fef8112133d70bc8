"""The review queue: decide, go on, go back; who and when; nothing is lost or said twice."""

from __future__ import annotations

import pytest

from src.client import ApiError
from src.ui.strings import inspect as inspect_text
from src.ui.strings import review as text
from src.ui.strings import verdict as verdict_text
from tests.ui.conftest import words
from tests.ui.fakes import WHEN, kept


@pytest.fixture
def queue(service):
    service.queue = [kept(number) for number in range(1, 4)]
    return service.queue


def named(opened, name: str = "ana"):
    page = opened("review")
    page.text_input(key="reviewer_review").set_value(name).run()
    return page


def test_the_first_photo_is_shown_with_its_verdict_and_what_the_file_says(opened, queue) -> None:
    page = opened("review")
    said = words(page)
    assert not page.exception
    assert verdict_text.VERDICTS["ai_unsure"] in said
    assert verdict_text.SIGNALS["generator_parameters"] in said
    assert text.REVIEW_POSITION.format(position=1, loaded=3, more="") in said
    assert len(page.image) == 1


@pytest.mark.parametrize(("key", "label"), [("review_real", "real"), ("review_fake", "ai_generated")])
def test_a_decision_is_kept_with_who_and_why_and_leads_to_the_next_photo(
    opened, service, queue, key, label
) -> None:
    page = named(opened)
    page.pills(key=f"why_{queue[0].id}").set_value(text.REVIEW_REASONS[0]).run()
    page.text_input(key=f"reason_{queue[0].id}").set_value("blurred logo").run()
    page.button(key=key).click().run()
    assert service.said == [(queue[0].id, label, "ana", f"{text.REVIEW_REASONS[0]}; blurred logo")]
    assert queue[1].id in words(page)
    table = page.dataframe[0].value
    assert table[text.REVIEW_COLUMNS["who"]].tolist() == ["ana"]
    assert table[text.REVIEW_COLUMNS["when"]].tolist() == [f"{WHEN:%Y-%m-%d %H:%M} UTC"]


def test_keys_of_the_keyboard_do_what_buttons_do(opened, queue) -> None:
    page = opened("review")
    keys = {button.key: button.proto.shortcut for button in page.button}
    assert keys["review_real"] == "1"
    assert keys["review_fake"] == "2"
    assert keys["review_unsure"] == "3"
    assert (keys["review_back"].lower(), keys["review_next"].lower()) == ("left", "right")


def test_a_decision_without_a_name_is_not_sent(opened, service, queue) -> None:
    page = opened("review")
    page.button(key="review_real").click().run()
    assert service.said == []
    assert inspect_text.REVIEWER_MISSING in words(page)
    assert queue[0].id in words(page)


def test_unsure_goes_on_and_says_nothing(opened, service, queue) -> None:
    page = opened("review")
    page.button(key="review_unsure").click().run()
    assert service.said == []
    assert queue[1].id in words(page)
    page.button(key="review_back").click().run()
    assert text.REVIEW_SET_ASIDE in words(page)


def test_what_was_said_is_there_when_one_goes_back(opened, queue) -> None:
    page = named(opened)
    page.button(key="review_fake").click().run()
    page.button(key="review_back").click().run()
    assert text.REVIEW_EARLIER in words(page)


def test_the_name_is_remembered_from_photo_to_photo(opened, service, queue) -> None:
    page = named(opened)
    for _ in queue:
        page.button(key="review_real").click().run()
    assert [said[2] for said in service.said] == ["ana"] * 3
    assert text.REVIEW_END in words(page)


def test_feedback_that_fails_leaves_the_photo_where_it_is(opened, service, queue) -> None:
    page = named(opened)
    service.fails["feedback"] = ApiError("store_unavailable", 503, "x")
    page.button(key="review_real").click().run()
    assert "cannot reach its store" in words(page)
    assert queue[0].id in words(page)
    del service.fails["feedback"]
    page.button(key="review_real").click().run()
    assert len(service.said) == 1


def test_further_pages_of_the_queue_follow(opened, service) -> None:
    service.queue = [kept(number) for number in range(1, 23)]
    page = opened("review")
    assert "1 of 20+" in words(page)
    for _ in range(20):
        page.button(key="review_next").click().run()
    assert "21 of 22" in words(page)
    assert service.asked.count("review") == 2


def test_each_photo_is_fetched_once(opened, service, queue) -> None:
    page = opened("review")
    page.button(key="review_next").click().run()
    page.button(key="review_back").click().run()
    assert service.asked.count("photo") == 2


def test_a_photo_that_was_not_kept_is_told(opened, service) -> None:
    service.queue = [kept(1, has_image=False)]
    page = opened("review")
    assert text.REVIEW_NO_PHOTO in words(page)
    assert "photo" not in service.asked


def test_an_empty_queue_says_so_and_can_be_asked_again(opened, service) -> None:
    page = opened("review")
    assert text.REVIEW_EMPTY in words(page)
    service.queue = [kept(7)]
    page.button(key="review_reload").click().run()
    assert f"{7:032x}" in words(page)


def test_a_key_without_the_scope_is_told_which_it_needs(opened, service) -> None:
    service.fails["review"] = ApiError("forbidden", 403, "x")
    said = words(opened("review"))
    assert "not allowed" in said
    assert "`review`" in said
