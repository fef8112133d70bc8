"""Every method against the real service."""

from __future__ import annotations

import doctest
import socket
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from src.client import ApiError, ApiUnreachable, DetectorClient, Prediction
from src.client import client as module
from tests.support.pictures import encode, photo_bytes

RED = (250, 20, 10)
BLUE = (10, 20, 250)
GREY = (128, 128, 128)


def plain(colour: tuple[int, int, int], side: int = 64) -> bytes:
    """A picture of one colour: to the tiny model red is AI-generated, blue real, grey unsure."""
    return encode(Image.new("RGB", (side, side), colour), "PNG")


def test_verdict_of_bytes_and_of_a_path(detector: DetectorClient, folder: Path) -> None:
    path = folder / "red.png"
    path.write_bytes(plain(RED))
    verdict = detector.predict(path)
    assert (verdict.label, verdict.policy, verdict.stored) == ("ai_generated", "balanced", True)
    assert verdict.probability == verdict.confidence > 0.9
    assert verdict.provenance.basis == "pixels"
    assert verdict.evidence is None
    again = detector.predict(plain(RED), policy="low_false_positive", explain=True)
    assert (again.policy, again.threshold) == ("low_false_positive", 0.9)
    assert again.evidence is not None
    assert len(again.evidence.heatmap) == 8


def test_how_a_verdict_holds_is_told_to_whoever_asks(detector: DetectorClient) -> None:
    verdict = detector.predict(plain(BLUE), stability=True)
    assert verdict.evidence is not None
    assert verdict.evidence.stability is not None
    assert not verdict.evidence.stability.flips
    assert len(verdict.evidence.stability.probabilities) == 5
    assert verdict.evidence.heatmap == ()
    (many,) = detector.predict_many([plain(RED)], stability=True)
    assert isinstance(many, Prediction)
    assert many.evidence is not None
    assert many.evidence.stability is not None


def test_same_idempotency_key_gets_the_same_prediction(detector: DetectorClient) -> None:
    photo = photo_bytes(5)
    first = detector.predict(photo, idempotency_key="order-5")
    second = detector.predict(photo, idempotency_key="order-5")
    third = detector.predict(photo)
    assert (second.id, second.source) == (first.id, "replay")
    assert (third.id != first.id, third.source) == (True, "cache")
    with pytest.raises(ApiError) as caught:
        detector.predict(photo_bytes(6), idempotency_key="order-5")
    assert (caught.value.code, caught.value.status) == ("idempotency_conflict", 409)


def test_many_photos_come_back_in_their_order(detector: DetectorClient, folder: Path) -> None:
    colours = [RED, BLUE] * 6
    photos: list[bytes | Path] = [plain(colour, 32 + index) for index, colour in enumerate(colours)]
    photos[3] = b"no photo"
    photos[7] = folder / "missing.png"
    found = list(detector.predict_many(iter(photos), workers=3))
    told = [item.code if isinstance(item, ApiError) else item.label for item in found]
    expected = ["ai_generated", "real"] * 6
    expected[3], expected[7] = "unsupported_format", "unreadable_file"
    assert told == expected


def test_endless_photos_are_read_only_as_they_are_needed(detector: DetectorClient) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield plain(BLUE)

    answers = detector.predict_many(endless(), workers=2)
    assert isinstance(next(answers), Prediction)
    answers.close()
    assert taken <= 5


def test_batch_is_cut_into_requests_that_the_service_takes(detector: DetectorClient, folder: Path) -> None:
    photos: list[bytes | Path] = [plain((RED, BLUE)[index % 2], 40 + index) for index in range(11)]
    photos[4] = b""
    photos[9] = folder / "missing.png"
    found = detector.predict_batch(photos)
    told = [item.code if isinstance(item, ApiError) else item.label for item in found]
    expected = [("ai_generated", "real")[index % 2] for index in range(11)]
    expected[4], expected[9] = "empty_file", "unreadable_file"
    assert told == expected


def test_batch_that_is_refused_as_a_whole_tells_each_photo(url: str) -> None:
    with DetectorClient(url, timeout_s=60, batch_files=9) as detector:
        found = detector.predict_batch([plain(RED)] * 9)
    assert [item.code for item in found if isinstance(item, ApiError)] == ["too_many_files"] * 9


def test_nothing_to_send_sends_nothing() -> None:
    with DetectorClient("http://127.0.0.1:9") as detector:
        assert detector.predict_batch([]) == []
        assert list(detector.predict_many([])) == []


def test_explanation_has_a_grid_and_a_picture(detector: DetectorClient) -> None:
    told = detector.explain(plain(RED))
    assert told.label == "ai_generated"
    assert [len(row) for row in told.grid] == [8] * 8
    with Image.open(BytesIO(told.overlay)) as overlay:
        assert (overlay.format, overlay.size) == ("PNG", (64, 64))


def test_a_photo_waits_for_review_and_gets_its_feedback(detector: DetectorClient) -> None:
    unsure = plain(GREY)
    verdict = detector.predict(unsure)
    assert verdict.needs_review
    page = detector.review(limit=200)
    assert verdict.id in [item.id for item in page.items]
    said = detector.feedback(verdict.id, "real", reviewer="ana", reason="raw file seen")
    found = detector.prediction(verdict.id)
    assert found.feedback == (said,)
    assert found.prediction.has_image
    assert verdict.id not in [item.id for item in detector.review(limit=200).items]


def test_review_goes_on_where_a_page_ended(detector: DetectorClient) -> None:
    for side in (50, 51, 52):
        detector.predict(plain(GREY, side))
    first = detector.review(limit=2)
    second = detector.review(first.next_cursor, limit=2)
    assert len(first.items) == 2
    assert {item.id for item in first.items}.isdisjoint(item.id for item in second.items)


def test_deleted_prediction_is_gone(detector: DetectorClient) -> None:
    verdict = detector.predict(plain(GREY, 70))
    detector.delete(verdict.id)
    with pytest.raises(ApiError) as caught:
        detector.prediction(verdict.id)
    assert (caught.value.code, caught.value.status) == ("not_found", 404)
    assert len(caught.value.request_id) == 32


def test_state_and_card_of_the_service(detector: DetectorClient) -> None:
    health, card = detector.health(), detector.model()
    assert health.ok
    assert (health.model_name, card.name, card.version) == ("tiny", "tiny", "0.0.1")
    assert card.model_extra is not None
    assert card.model_extra["default_policy"] == "balanced"


def test_watch_over_the_traffic(detector: DetectorClient) -> None:
    said = detector.drift().model_extra
    assert said is not None
    assert (said["status"], said["severity"]) == ("no_reference", "none")


def test_kept_photo_comes_back_as_it_was_sent(detector: DetectorClient) -> None:
    unsure, sure = plain(GREY, 90), plain(RED, 90)
    verdict = detector.predict(unsure)
    assert detector.photo(verdict.id) == unsure
    assert detector.photo(detector.predict(sure).id) is None  # nobody needs to look at it
    detector.delete(verdict.id)
    assert detector.photo(verdict.id) is None


def test_photo_from_another_host_is_off_by_default(detector: DetectorClient) -> None:
    with pytest.raises(ApiError) as caught:
        detector.predict_url("https://img.shop.example/a.jpg")
    assert (caught.value.code, caught.value.status) == ("url_disabled", 403)


def test_an_id_cannot_lead_to_another_call(detector: DetectorClient) -> None:
    with pytest.raises(ApiError) as caught:
        detector.prediction("../review?limit=1")
    assert caught.value.status in {404, 422}


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with DetectorClient(f"http://127.0.0.1:{port}", retries=0) as detector, pytest.raises(ApiUnreachable):
        detector.health()


def test_example_of_the_documentation_runs(url: str) -> None:
    finder = doctest.DocTestFinder(recurse=True)
    runner = doctest.DocTestRunner()
    examples = {"url": url, "photo": plain(BLUE)}
    for example in finder.find(module.DetectorClient, globs=examples):
        runner.run(example)
    assert (runner.tries > 0, runner.failures) == (True, 0)
