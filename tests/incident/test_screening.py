"""Each way in which a label is refused, and that honest labels of a new family are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from src.incident.screening import Judged, ScreeningRules, Vote, Witnesses, screen

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=3)
RULES = ScreeningRules()


def witnesses(seed: int = 0) -> Witnesses:
    """Real photos around 0, fakes around 8, in eight dimensions."""
    rng = np.random.default_rng(seed)
    fake = np.arange(400) % 2 == 1
    return Witnesses(rng.normal(np.where(fake, 8.0, 0.0)[:, None], 1.0, (400, 8)), fake)


def photo(
    number: int,
    *,
    at: float,
    fake: bool,
    votes: list[Vote] | None = None,
    who: str = "ana bea",
    keys: bool = True,
) -> Judged:
    """A photo whose embedding lies around `at`, judged by these people, by a key each or by none."""
    rng = np.random.default_rng(1000 + number)
    words = votes or [Vote(name, f"key-{name}" if keys else None, fake, OLD) for name in who.split()]
    return Judged(f"{number:064x}", f"{number:032x}", rng.normal(at, 1.0, 8).astype(np.float32), tuple(words))


def honest(
    count: int, start: int = 0, people: str = "ana bea cem dana", *, keys: bool = True
) -> list[Judged]:
    """Labels that are right, by two of several people each."""
    names = people.split()
    return [
        photo(
            start + number,
            at=8.0 if number % 2 else 0.0,
            fake=bool(number % 2),
            who=f"{names[number % len(names)]} {names[(number + 1) % len(names)]}",
            keys=keys,
        )
        for number in range(count)
    ]


def reasons(judged: list[Judged], rules: ScreeningRules = RULES) -> dict[str, str]:
    return {each.sha256: each.reason for each in screen(judged, witnesses(), NOW, rules).left_out}


def test_labels_that_people_agree_on_are_taken():
    found = screen(honest(20), witnesses(), NOW)
    assert (len(found.taken), found.left_out, found.agreement) == (20, (), 1.0)


@pytest.mark.parametrize(("hours", "taken"), [(23, 0), (25, 1)])
def test_a_young_label_waits(hours, taken):
    at = NOW - timedelta(hours=hours)
    young = photo(1, at=0.0, fake=False, votes=[Vote("ana", "a", False, OLD), Vote("bea", "b", False, at)])
    found = screen([young], witnesses(), NOW)
    assert len(found.taken) == taken
    assert found.count("quarantined") == 1 - taken


def said(*words: tuple[str, str | None, bool]) -> list[Vote]:
    """Votes of (name, key, AI-generated)."""
    return [Vote(name, key, fake, OLD) for name, key, fake in words]


def test_names_by_one_key_confirm_nothing():
    votes = said(*((f"name{n}", "one-key", False) for n in range(5)))
    assert set(reasons([photo(1, at=0.0, fake=False, votes=votes)]).values()) == {"too_few_reviewers"}


def test_one_name_by_two_keys_confirms_nothing():
    votes = said(("ana", "old-key", False), ("ana", "new-key", False))
    assert set(reasons([photo(1, at=0.0, fake=False, votes=votes)]).values()) == {"too_few_reviewers"}


def test_two_keys_confirm_each_other():
    votes = said(("ana", "a", False), ("bea", "b", False))
    assert reasons([photo(1, at=0.0, fake=False, votes=votes)]) == {}


def test_a_key_is_one_voice_however_many_names_it_uses():
    crowd = [(f"name{n}", "eve", True) for n in range(20)]
    judged = photo(1, at=0.0, fake=False, votes=said(*crowd, *((name, name, False) for name in "abcd")))
    assert (judged.fake, judged.agreement) == (False, pytest.approx(0.8))
    assert reasons([judged]) == {}


def test_a_key_that_contradicts_itself_backs_nothing():
    votes = said(("ana", "a", False), ("bea", "b", False), ("cem", "b", True))
    judged = photo(1, at=0.0, fake=False, votes=votes)
    assert judged.agreement == pytest.approx(0.75)
    lenient = ScreeningRules(min_agreement=0.7)
    assert set(reasons([judged], lenient).values()) == {"too_few_reviewers"}


def test_without_any_key_names_are_all_there_is():
    votes = said(("ana", None, False), ("bea", None, False))
    assert reasons([photo(1, at=0.0, fake=False, votes=votes)]) == {}


def test_where_keys_are_in_use_a_name_without_one_confirms_nothing():
    bare = photo(1, at=0.0, fake=False, votes=said(("ana", None, False), ("bea", None, False)))
    half = photo(2, at=0.0, fake=False, votes=said(("ana", "a", False), ("bea", None, False)))
    found = reasons([*honest(20), bare, half])
    assert found == {bare.sha256: "too_few_reviewers", half.sha256: "too_few_reviewers"}


def test_one_persons_word_is_not_enough():
    assert set(reasons([photo(1, at=0.0, fake=False, who="ana")]).values()) == {"too_few_reviewers"}


def test_people_who_disagree_are_not_outvoted_by_a_narrow_majority():
    votes = [Vote(name, name, fake, OLD) for name, fake in (("ana", True), ("bea", True), ("cem", False))]
    found = screen([photo(1, at=8.0, fake=True, votes=votes)], witnesses(), NOW)
    assert found.count("disagreement") == 1
    assert found.agreement == pytest.approx(2 / 3)


def test_a_photo_without_an_embedding_is_told():
    bare = Judged("a" * 64, "b" * 32, None, photo(1, at=0.0, fake=False).votes)
    assert reasons([bare]) == {"a" * 64: "no_embedding"}


@pytest.mark.parametrize(("share", "most"), [(0.2, 0.2), (0.4, 0.4)])
def test_one_reviewer_gives_no_more_than_a_share(share, most):
    rules = ScreeningRules(min_reviewers=1, max_reviewer_share=share)
    eager = [photo(100 + n, at=0.0, fake=False, votes=said(("eve", None, False))) for n in range(60)]
    found = screen([*honest(20, keys=False), *eager], witnesses(), NOW, rules)
    mine = sum(each.votes[0].reviewer == "eve" for each in found.taken)
    assert 0 < mine <= most * len(found.taken)
    assert found.count("over_share") == 60 - mine
    assert len(found.taken) - mine == 20


def test_a_reviewer_who_is_alone_moves_nothing():
    rules = ScreeningRules(min_reviewers=1)
    found = screen([photo(n, at=0.0, fake=False, who="eve") for n in range(50)], witnesses(), NOW, rules)
    assert found.taken == ()
    assert found.count("over_share") == 50


@pytest.mark.parametrize(("least", "most", "reason"), [(2, 0, "too_few_reviewers"), (1, 5, "over_share")])
def test_one_key_under_many_names_gives_at_most_a_fifth(least, most, reason):
    names = [
        photo(
            100 + n,
            at=0.0,
            fake=False,
            votes=said((f"name{n}", "one-key", False), (f"other{n}", "one-key", False)),
        )
        for n in range(80)
    ]
    found = screen([*honest(20), *names], witnesses(), NOW, ScreeningRules(min_reviewers=least))
    theirs = sum(each.votes[0].key == "one-key" for each in found.taken)
    assert theirs == most <= 0.2 * len(found.taken)  # one by itself may give 5 of 25, beside twenty of others
    assert len(found.taken) == 20 + most
    assert found.count(reason) == 80 - most


def test_names_without_a_key_are_no_second_hand():
    mixed = [
        photo(100 + n, at=0.0, fake=False, votes=said(("eve", "eve", False), (f"name{n}", None, False)))
        for n in range(80)
    ]
    found = screen([*honest(20), *mixed], witnesses(), NOW, ScreeningRules(min_reviewers=1))
    assert (len(found.taken), found.count("over_share")) == (25, 75)


def test_a_label_that_all_neighbours_contradict_is_listed_and_left_out():
    lie = photo(500, at=0.0, fake=True)
    found = screen([*honest(20), lie], witnesses(), NOW)
    (listed,) = found.left_out
    assert (listed.reason, listed.sha256, listed.label) == ("suspicious", lie.sha256, "ai_generated")
    assert listed.reviewers == ("ana", "bea")


def test_a_new_family_that_several_people_found_is_not_taken_for_poison():
    # Nearer to real photos than to known fakes, yet a place of its own: its labels bear each other out.
    rng = np.random.default_rng(5)
    place = np.array([0.0] * 4 + [5.0] * 4)
    people = ["ana bea", "cem dana", "ana dana", "bea cem"]
    family = [
        Judged(
            f"{900 + n:064x}",
            f"{900 + n:032x}",
            rng.normal(place, 0.8).astype(np.float32),
            photo(1, at=0.0, fake=True, who=people[n % 4]).votes,
        )
        for n in range(30)
    ]
    found = screen([*honest(20), *family], witnesses(), NOW)
    assert found.count("suspicious") == 0
    assert sum(each.fake for each in found.taken) == 40


@pytest.mark.parametrize("keys", ["eve", "eve mal"])
def test_a_crowd_of_wrong_labels_by_the_same_keys_does_not_vouch_for_itself(keys):
    names = keys.split()
    lies = [
        photo(
            600 + n,
            at=0.0,
            fake=True,
            votes=said(*((f"{name}{n}", name, True) for name in names for _ in "ab")),
        )
        for n in range(40)
    ]
    rules = ScreeningRules(min_reviewers=len(names))
    found = screen([*honest(60), *lies], witnesses(), NOW, rules)
    assert found.count("suspicious") == 40
    assert not any(each.sha256 in {lie.sha256 for lie in lies} for each in found.taken)


@pytest.mark.parametrize("keys", [True, False])
def test_labels_bear_each_other_out_where_a_third_one_backs_them(keys):
    # Three people in pairs: each pair's labels have a witness in the others', who is not of the pair.
    pairs = ["ana bea", "bea cem", "cem ana"]
    rng = np.random.default_rng(6)
    place = np.array([0.0] * 4 + [5.0] * 4)
    found = {}
    for circle in (1, 3):
        family = [
            Judged(
                f"{900 + n:064x}",
                f"{900 + n:032x}",
                rng.normal(place, 0.8).astype(np.float32),
                photo(1, at=0.0, fake=True, who=pairs[n % circle], keys=keys).votes,
            )
            for n in range(30)
        ]
        found[circle] = screen([*honest(20, keys=keys), *family], witnesses(), NOW).count("suspicious")
    assert found == {1: 30, 3: 0}


def test_the_order_of_the_labels_changes_nothing():
    labels = [*honest(30), photo(500, at=0.0, fake=True), photo(501, at=0.0, fake=False, who="ana")]
    first, second = (screen(each, witnesses(), NOW) for each in (labels, labels[::-1]))
    assert [each.sha256 for each in first.taken] == [each.sha256 for each in second.taken]
    assert first.left_out == second.left_out


def test_no_labels_are_no_error():
    found = screen([], witnesses(), NOW)
    assert (found.taken, found.left_out, found.agreement) == ((), (), None)
