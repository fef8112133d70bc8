"""Feedback read from the store: photos, not rows; last words, not all of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from src.incident.feedback import read_feedback
from src.utils.errors import StoreError
from tests.incident.conftest import NOW, draw


def test_each_persons_last_word_counts(book):
    record = book.judge(draw("new", 1), False, "ana bea", hours=50)
    book.say(record, True, "ana", hours=40)
    (found,) = read_feedback(book.url, None)
    assert {vote.reviewer: vote.fake for vote in found.votes} == {"ana": True, "bea": False}
    assert {vote.key for vote in found.votes} == {"key-ana", "key-bea"}


def test_a_name_by_another_key_takes_back_nothing(book):
    record = book.judge(draw("new", 1), True, "ana", hours=50)
    book.say(record, False, "ana", key="key-of-eve", hours=40)
    (found,) = read_feedback(book.url, None)
    assert {(vote.key, vote.fake) for vote in found.votes} == {("key-ana", True), ("key-of-eve", False)}


def test_the_same_photo_sent_twice_is_one_photo(book):
    first = book.judge(draw("new", 1), True, "ana")
    second = book.judge(draw("new", 1), True, "bea")
    (found,) = read_feedback(book.url, None)
    assert {vote.reviewer for vote in found.votes} == {"ana", "bea"}
    assert found.prediction_id == max(first.id, second.id)


def test_only_photos_with_a_word_since_then_are_read_and_all_words_on_them(book):
    book.judge(draw("new", 1), True, hours=100)
    late = book.judge(draw("new", 2), False, "ana", hours=100)
    book.say(late, True, "bea", hours=10)
    (found,) = read_feedback(book.url, NOW - timedelta(hours=20))
    assert found.sha256 == late.sha256
    assert len(found.votes) == 2
    assert len(read_feedback(book.url, None)) == 2


@pytest.mark.parametrize(("version", "kept"), [("1.0.0", True), ("1.0.0+refit.3", True), ("0.9.0", False)])
def test_an_embedding_of_other_features_is_not_taken(book, version, kept):
    book.judge(draw("new", 1), True, version=version)
    (found,) = read_feedback(book.url, None, "1.0.0+refit.1")
    assert (found.embedding is not None) is kept


def test_a_store_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StoreError):
        read_feedback(f"sqlite:///{tmp_path}/empty.db", None)
