from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.inference.stability import VARIANTS, compare, measure, with_review
from src.utils.errors import CorruptImage
from tests.support.pictures import encode, picture


def _plain(red, blue, size=(320, 240)):
    return Image.new("RGB", size, (red, 128, blue))


def test_a_plain_picture_is_judged_alike_in_every_form(detector):
    image = _plain(220, 40)
    verdict = detector.detect(image)
    stability = measure(image, verdict, detector.detect_batch)
    assert set(stability.probabilities) == set(VARIANTS)
    assert not stability.flips
    assert stability.score > 0.97
    assert with_review(verdict, stability) is verdict


def test_a_verdict_that_flips_goes_to_review_and_keeps_its_label(detector):
    verdict = detector.detect(_plain(140, 120))
    fragile = verdict.model_copy(update={"label": "real", "probability": 0.45, "needs_review": False})
    others = [verdict.model_copy(update={"label": "ai_generated", "probability": 0.6})] * len(VARIANTS)
    stability = compare(fragile, others)
    assert stability.flips
    assert stability.score == pytest.approx(0.85)
    assert with_review(fragile, stability).needs_review
    assert with_review(fragile, stability).label == "real"


def test_the_same_photo_always_gets_the_same_answer(detector):
    image = picture(3)
    verdict = detector.detect(image)
    assert measure(image, verdict, detector.detect_batch) == measure(image, verdict, detector.detect_batch)


@pytest.mark.parametrize("size", [(16, 16), (40, 500), (1400, 900)])
def test_variants_keep_or_shrink_and_never_below_what_says_something(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    for encode_as in VARIANTS.values():
        variant = encode_as(Image.fromarray(noise))
        assert variant.mode == "RGB"
        assert max(variant.size) <= max(size)
        assert max(variant.size) >= min(256, max(size))


def test_a_variant_that_cannot_be_judged_is_told(detector):
    verdict = detector.detect(encode(picture(1)))
    with pytest.raises(CorruptImage):
        measure(picture(1), verdict, lambda images: [CorruptImage("it broke")] * len(images))
