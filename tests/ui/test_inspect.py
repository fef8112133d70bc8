"""The first page: verdict in words, evidence, feedback, and what it says when a call fails."""

from __future__ import annotations

import pytest

from src.client import ApiError, ApiUnreachable, Origin
from src.ui.strings import inspect as text
from src.ui.strings import shared
from src.ui.strings import verdict as verdict_text
from tests.support.pictures import photo_bytes
from tests.ui.conftest import Open, words
from tests.ui.fakes import STRONG, FakeService, prediction, report

PHOTO = photo_bytes(1, (200, 150))


def with_photo(opened: Open, photo: bytes = PHOTO, name: str = "mug.jpg"):
    page = opened("inspect")
    page.file_uploader(key="inspect_files").upload(name, photo, "image/jpeg")
    return page.run()


def test_a_photo_is_judged_without_a_further_click(opened, service) -> None:
    page = with_photo(opened)
    assert not page.exception
    said = words(page)
    assert verdict_text.VERDICTS["ai_sure"] in said
    assert "93 %" in said
    assert verdict_text.NO_SIGNALS in said
    assert service.policies_asked == ["balanced"]


def test_the_photo_goes_to_the_service_as_it_is(opened, service) -> None:
    sent: list[bytes] = []
    predict = service.predict
    service.predict = lambda photo, **more: (sent.append(photo), predict(photo, **more))[1]
    with_photo(opened)
    assert sent == [PHOTO]


def test_a_verdict_and_its_heatmap_are_asked_for_once(opened, service) -> None:
    page = with_photo(opened)
    page.run()
    page.run()
    assert service.asked.count("predict") == 1
    assert service.asked.count("explain") == 1


def test_another_policy_is_another_verdict(opened, service) -> None:
    page = with_photo(opened)
    page.segmented_control(key="inspect_policy").set_value("high_recall").run()
    assert service.policies_asked == ["balanced", "high_recall"]


def test_what_the_file_says_is_shown_with_its_strength_and_as_text(opened, service) -> None:
    origin = Origin(
        label="ai_generated", basis="pixels_and_provenance", needs_review=False, signals=(STRONG,)
    )
    service.default = prediction(provenance=origin)
    said = words(with_photo(opened))
    assert verdict_text.SIGNALS["generator_parameters"] in said
    assert verdict_text.STRENGTHS["strong"] in said
    assert "&lt;b&gt;X" in said
    assert "<b>X" not in said


def test_the_policys_known_error_is_told_where_it_was_measured(opened, service) -> None:
    service.figures = report()
    assert "10.0 % (5.0 % to 15.0 %) of honest photos" in words(with_photo(opened))


@pytest.mark.parametrize(("button", "label"), [("say_real", "real"), ("say_fake", "ai_generated")])
def test_feedback_is_kept_with_name_and_reason(opened, service, button, label) -> None:
    page = with_photo(opened)
    page.text_input(key="reviewer_inspect").set_value(" ana ").run()
    page.text_input(key=f"reason_{service.default.id}").set_value("raw file").run()
    page.button(key=button).click().run()
    assert service.said == [(service.default.id, label, "ana", "raw file")]
    assert "ana" in words(page)


def test_feedback_without_a_name_is_not_sent(opened, service) -> None:
    page = with_photo(opened)
    page.button(key="say_real").click().run()
    assert service.said == []
    assert text.REVIEWER_MISSING in words(page)


def test_unsure_sends_nothing(opened, service) -> None:
    page = with_photo(opened)
    page.button(key="say_unsure").click().run()
    assert service.said == []
    assert text.FEEDBACK_UNSURE in words(page)


def test_a_verdict_that_is_not_kept_takes_no_feedback(opened, service) -> None:
    service.default = prediction(stored=False)
    page = with_photo(opened)
    assert shared.NOT_STORED in words(page)
    assert "say_real" not in [button.key for button in page.button]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ApiError("file_too_large", 413, "x"), shared.ERRORS["file_too_large"]),
        (ApiError("unsupported_format", 415, "x"), shared.ERRORS["unsupported_format"]),
        (ApiError("corrupt_image", 422, "x"), shared.ERRORS["corrupt_image"]),
        (ApiError("rate_limited", 429, "x", retry_after_s=7.2), "try again in 8 s"),
        (ApiError("overloaded", 429, "x"), "busy"),
        (ApiError("deadline_exceeded", 504, "x"), "too long"),
    ],
)
def test_a_photo_without_a_verdict_says_why_in_one_sentence(opened, service, error, sentence) -> None:
    service.verdicts[PHOTO] = error
    page = with_photo(opened)
    assert not page.exception
    assert sentence.rstrip(".") in words(page).replace("\\", "")
    assert page.button(key="inspect_photo_retry").label == shared.RETRY


def test_a_passing_error_is_asked_for_again_and_a_lasting_one_is_not(opened, service) -> None:
    service.verdicts[PHOTO] = ApiError("overloaded", 429, "x")
    page = with_photo(opened)
    del service.verdicts[PHOTO]
    page.button(key="inspect_photo_retry").click().run()
    assert verdict_text.VERDICTS["ai_sure"] in words(page)
    assert service.asked.count("predict") == 2
    other = photo_bytes(2)
    service.verdicts[other] = ApiError("corrupt_image", 422, "x")
    page = with_photo(opened, other)
    page.run()
    assert service.asked.count("predict") == 3


def test_a_service_that_is_down_is_told_with_a_way_out(opened, service) -> None:
    service.fails["model"] = ApiUnreachable("no")
    page = opened("inspect")
    assert "does not answer" in words(page)
    del service.fails["model"]
    page.button(key="inspect_retry").click().run()
    assert "does not answer" not in words(page)
    assert page.file_uploader(key="inspect_files")


def test_a_missing_key_can_be_typed_in(opened, service, monkeypatch) -> None:
    keys: list[str] = []
    refused = ApiError("unauthenticated", 401, "x", "req-1")

    def client(_url: str, key: str, *_: object) -> FakeService:
        keys.append(key)
        service.fails = {} if key == "sesame" else {"model": refused}
        return service

    monkeypatch.setattr("src.ui.gateway._client", client)
    page = opened("inspect")
    said = words(page).replace("\\", "")
    assert shared.ERRORS["unauthenticated"] in said
    assert "req-1" in said
    page.text_input[0].set_value("wrong")
    page.button[0].click().run()
    assert shared.ERRORS["wrong_key"] in words(page).replace("\\", "")
    page.text_input[0].set_value("sesame")
    page.button[0].click().run()
    assert keys[-1] == "sesame"
    assert page.file_uploader(key="inspect_files")


def test_a_photo_by_its_address_where_the_service_fetches(opened, service) -> None:
    service.addresses = True
    page = opened("inspect")
    page.chat_input(key="inspect_paste").set_value("https://shop.example/a.jpg").run()
    said = words(page)
    assert verdict_text.VERDICTS["ai_sure"] in said
    assert text.FROM_ADDRESS in said
    assert service.asked.count("predict_url") == 1


def test_no_address_is_fetched_that_is_none(opened, service) -> None:
    page = opened("inspect")
    page.chat_input(key="inspect_paste").set_value("file:///etc/passwd").run()
    assert "predict_url" not in service.asked
    assert text.NO_ADDRESS in words(page)


def test_a_photo_that_cannot_be_previewed_has_its_verdict_all_the_same(opened, service) -> None:
    page = with_photo(opened, b"some format that only the service reads")
    assert not page.exception
    assert verdict_text.VERDICTS["ai_sure"] in words(page)


def test_a_heatmap_that_fails_leaves_the_verdict(opened, service) -> None:
    service.fails["explain"] = ApiError("overloaded", 429, "x")
    said = words(with_photo(opened))
    assert verdict_text.VERDICTS["ai_sure"] in said
    assert "The heatmap could not be drawn" in said


def test_more_photos_than_the_page_takes_are_pointed_to_the_catalogue(opened, service) -> None:
    page = opened("inspect")
    uploader = page.file_uploader(key="inspect_files")
    for number in range(26):
        uploader.upload(f"{number}.jpg", photo_bytes(number, (32, 24)), "image/jpeg")
    page.run()
    assert text.TOO_MANY.format(most=24) in words(page)
    assert service.asked.count("predict") == 24
