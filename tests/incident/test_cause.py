"""The analysis points at the crowd that is too large, and asks about it whom nobody has asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src.incident.cause import Window, find_cause, suspects
from src.incident.seen import Seen
from src.utils.errors import DataError
from tests.incident.crowds import crowd

REAL, KNOWN, NEW = 120, 80, 60


def seen(real: int, known: int) -> Seen:
    """A reference of known photos."""
    photos = crowd(real, known, 0, seed=1)
    n = len(photos)
    texts = np.full(n, "x")
    return Seen(
        embedding=photos.embedding,
        first=photos.embedding,
        fake=photos.fake,
        sha256=np.array([f"{number:064d}" for number in range(n)]),
        generator=np.where(photos.fake, "sdxl", "camera"),
        source=photos.source,
        group=photos.group,
        category=texts,
        style=texts,
        tier=np.full(n, "clean"),
        format=np.full(n, "JPEG"),
        **dict.fromkeys(("width", "height", "quality", "bytes_per_pixel"), np.ones(n)),
    )


@pytest.fixture(scope="module")
def window() -> Window:
    photos = crowd(REAL, KNOWN, NEW, seed=2)
    names = [f"photo-{number}" for number in range(len(photos))]
    # People have seen some of each kind, and the model takes the new ones for real.
    labels = {names[each]: bool(photos.fake[each]) for each in range(0, len(names), 10)}
    judged = photos.fake & (np.arange(len(photos)) < REAL + KNOWN)
    return Window(names, photos.embedding, judged, labels, np.arange(len(photos)) >= REAL + KNOWN)


def test_the_cluster_that_stands_out_is_the_new_crowd(window):
    cause, number = find_cause(window, seen(300, 200))
    assert cause.found == cause.clusters[0].number
    assert cause.new_in_found > 0.9
    assert cause.clusters[0].new_share > 0.9
    assert cause.clusters[0].excess > 0.15
    assert cause.clusters[0].judged_fake < 0.2
    assert cause.clusters[0].labelled == cause.clusters[0].labelled_fake > 0
    assert sum(each.photos for each in cause.clusters) == cause.window == len(number)
    assert cause.attribution.startswith("unknown; the nearest known family is ")


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_without_a_new_crowd_nothing_stands_out(window, seed):
    calm = crowd(REAL, KNOWN, 0, seed=seed)
    n = len(calm)
    cause, _ = find_cause(
        Window([str(each) for each in range(n)], calm.embedding, calm.fake, {}, np.zeros(n, bool)),
        seen(300, 200),
    )
    assert cause.clusters[0].excess < 0.15
    assert cause.found is cause.new_in_found is None
    assert cause.attribution == "unknown"


def test_without_a_cluster_people_are_asked_about_what_was_taken_for_real(window):
    cause, number = find_cause(window, seen(300, 200))
    asked = suspects(window, number, cause.model_copy(update={"found": None}))
    judged = dict(zip(window.sha256, window.judged_fake.tolist(), strict=True))
    assert set(asked) == {name for name, fake in judged.items() if not fake} - set(window.labels)


def test_slices_of_feedback_say_where_the_model_errs(window):
    slices = find_cause(window, seen(300, 200))[0].slices
    assert slices["judged ai_generated"] == (8, 0)
    assert slices["judged real"] == (18, 6)


def test_people_are_asked_about_the_cluster_and_never_twice(window):
    cause, number = find_cause(window, seen(300, 200))
    asked = suspects(window, number, cause)
    assert len(asked) == len(set(asked)) > 40
    assert not set(asked) & set(window.labels)
    places = {window.sha256.index(each) for each in asked}
    assert {int(number[each]) for each in places} == {cause.found}


def test_too_few_photos_are_refused(window):
    few = replace(window, sha256=window.sha256[:20])
    with pytest.raises(DataError, match="too few"):
        find_cause(few, seen(300, 200))
