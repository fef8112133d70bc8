"""Words of the page: verdicts, errors, values; every string is used, every error has a sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.client import ApiError, ApiUnreachable, Origin
from src.inference.problem import STATUS
from src.ui import wording
from src.ui.look import bar_html, card_html
from src.ui.states import problem_of
from src.ui.strings import shared
from src.ui.strings import verdict as text
from src.ui.verdict import words_of
from src.utils.model_card import Policy
from tests.ui.fakes import kept, prediction, report

UI = Path(__file__).parents[2] / "src" / "ui"
URL = "http://127.0.0.1:8000"


def test_every_string_is_used() -> None:
    unused: list[str] = []
    code = "\n".join(path.read_text() for path in UI.rglob("*.py") if path.parent.name != "strings")
    for path in sorted((UI / "strings").glob("*.py")):
        names = re.findall(r"^([A-Z][A-Z_]+) =", path.read_text(), flags=re.MULTILINE)
        unused += [f"{path.stem}.{name}" for name in names if not re.search(rf"\b{name}\b", code)]
    assert unused == []


def test_no_page_has_prose_of_its_own() -> None:
    for path in (UI / "screens").glob("*.py"):
        body = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
        sentences = re.findall(r'"[A-Z][a-z]+ [a-z]+ [^"]*"', body)
        assert sentences == [], path.name


def test_every_error_that_a_person_can_meet_has_a_sentence() -> None:
    known = {"file_too_large", "rate_limited", "model_not_ready", "url_disabled"}
    assert known <= set(STATUS) & set(shared.ERRORS)
    # One that is not listed, such as a newer service's, is told in the service's own words.
    for code in {*STATUS, "brand_new"} - set(shared.ERRORS):
        error = ApiError(code, STATUS.get(code, 418), "The gate is closed")
        assert "The gate is closed." in problem_of(error, url=URL, has_key=False).sentence


@pytest.mark.parametrize("code", sorted(shared.ERRORS.keys() - {"other"}))
def test_every_sentence_is_one(code) -> None:
    error = ApiError(code, 429, "detail", retry_after_s=2.0)
    sentence = problem_of(error, url=URL, has_key=False).sentence
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert len(sentence) < 140


def test_a_key_that_is_missing_is_another_matter_than_a_wrong_one() -> None:
    error = ApiError("unauthenticated", 401, "x")
    missing, wrong = (problem_of(error, url=URL, has_key=has) for has in (False, True))
    assert missing.sentence != wrong.sentence
    assert missing.wants_key
    assert wrong.wants_key
    assert not problem_of(ApiUnreachable("x"), url=URL, has_key=True).wants_key


@pytest.mark.parametrize(
    ("probability", "key", "tone"),
    [
        (0.93, "ai_sure", "fake"),
        (0.55, "ai_unsure", "doubt"),
        (0.45, "real_unsure", "doubt"),
        (0.1, "real_sure", "real"),
    ],
)
def test_a_verdict_says_what_it_means_and_what_it_does_not(probability, key, tone) -> None:
    for found in (prediction(probability), kept(1, probability, needs_review=0.4 <= probability < 0.6)):
        words = words_of(found)
        assert (words.title, words.tone) == (text.VERDICTS[key], tone)
        assert (words.means, words.means_not) == (text.MEANING[key], text.NOT_MEANING[key])
        assert bool(words.flag) == (tone == "doubt")
        assert wording.percent(probability) in words.sentence


def test_a_file_that_contradicts_the_pixels_asks_for_a_person() -> None:
    origin = Origin(label="real", basis="pixels_against_provenance", needs_review=True)
    assert words_of(prediction(0.1, provenance=origin)).tone == "doubt"


def test_a_signed_word_of_ai_decides_over_real_looking_pixels() -> None:
    origin = Origin(label="ai_generated", basis="provenance", needs_review=False)
    words = words_of(prediction(0.1, provenance=origin))
    assert (words.title, words.tone, words.flag) == (text.VERDICTS["declared"], "fake", "")


def test_errors_of_another_model_are_not_told() -> None:
    assert words_of(prediction(), report()).known_error
    assert not words_of(prediction(model_version="9"), report()).known_error
    assert not words_of(prediction(policy="other"), report()).known_error


def test_the_bar_shows_probability_threshold_and_band() -> None:
    policy = Policy(threshold=0.6, review_low=0.4, review_high=0.7)
    html = bar_html(0.05, policy)
    assert "left:5.00%" in html
    assert "left:60.00%" in html
    assert "left:40.00%;width:30.00%" in html
    assert 'aria-label="Probability of AI-generated: 5 %. Threshold of the policy: 60 %."' in html


def test_nothing_of_a_stranger_becomes_markup() -> None:
    found = prediction(policy="<script>alert(1)</script>")
    policy = Policy(threshold=0.5, review_low=0.5, review_high=0.5)
    assert "<script>" not in card_html(words_of(found), found.probability, policy)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.004, "< 1 %"), (0.996, "> 99 %"), (0.5149, "51 %"), (None, "–")],
)
def test_a_share_is_never_certain_that_is_not(share, shown) -> None:
    assert wording.percent(share) == shown


@pytest.mark.parametrize(
    ("share", "other", "shown"),
    [
        (0.93, 0.5, ("93 %", "50 %")),
        (0.9021, 0.9034, ("90.2 %", "90.3 %")),
        (0.90341, 0.90349, ("90.34 %", "90.35 %")),
        (0.5, 0.5, ("50.00 %", "50.00 %")),
    ],
)
def test_a_probability_never_reads_as_the_threshold_that_it_misses(share, other, shown) -> None:
    assert wording.apart(share, other) == shown


def test_a_policy_is_explained_without_terms_of_training() -> None:
    assert set(shared.POLICY_WORDS) == set(shared.POLICIES)
    assert wording.policy_words("balanced", "fold networks") == shared.POLICY_WORDS["balanced"]
    assert wording.policy_words("own", "by *us*") == r"by \*us\*"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mug.jpg", "mug.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nb\x00.jpg", "ab.jpg"),
        ("\u200b", "–"),
        ("x" * 200 + ".jpg", f"{'x' * 55}…{'x' * 20}.jpg"),
    ],
)
def test_a_file_name_cannot_mislead(name, shown) -> None:
    assert wording.file_name(name) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5, "5 s"), (65, "1 min"), (7500, "2 h 5 min"), (266_400, "3 d 2 h")]
)
def test_times_are_said_as_people_do(seconds, shown) -> None:
    assert wording.duration(seconds) == shown


def test_sizes_and_moments() -> None:
    assert [wording.size(each) for each in (12, 1500, 2_500_000, 3_000_000_000)] == [
        *("12 B", "1.5 kB", "2.5 MB", "3.0 GB"),
    ]
    assert wording.moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04 UTC"
    assert wording.markdown("a_b [c](d) $x$ :red[y]") == r"a\_b \[c\]\(d\) \$x\$ \:red\[y\]"
