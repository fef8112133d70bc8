from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.imaging.decode import DEFAULT_LIMITS, ImageLimits
from src.inference.stability import VARIANTS, Variants, compare, measure, with_stability
from src.utils.errors import CorruptImage
from tests.support.pictures import encode, picture


def _plain(red, blue, size=(320, 240)):
    return Image.new("RGB", size, (red, 128, blue))


def _forms(photo):
    return Variants(photo, DEFAULT_LIMITS, 256)


def test_a_plain_picture_is_judged_alike_in_every_form(detector):
    image = _plain(220, 40)
    verdict = detector.detect(image)
    stability = measure(_forms(image), verdict, detector.detect_batch)
    assert set(stability.probabilities) == set(VARIANTS)
    assert not stability.flips
    assert stability.score > 0.97
    told = with_stability(verdict, stability)
    assert told.stability == stability
    assert told.needs_review == verdict.needs_review


def test_a_verdict_that_flips_goes_to_review_and_keeps_its_label(detector):
    verdict = detector.detect(_plain(140, 120))
    fragile = verdict.model_copy(update={"label": "real", "probability": 0.45, "needs_review": False})
    others = [verdict.model_copy(update={"label": "ai_generated", "probability": 0.6})] * len(VARIANTS)
    stability = compare(fragile, others)
    assert stability.flips
    assert stability.score == pytest.approx(0.85)
    told = with_stability(fragile, stability)
    assert told.needs_review
    assert told.label == "real"


def test_the_same_photo_always_gets_the_same_answer(detector):
    image = picture(3)
    verdict = detector.detect(image)
    assert measure(_forms(image), verdict, detector.detect_batch) == measure(
        _forms(image), verdict, detector.detect_batch
    )


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
        measure(_forms(picture(1)), verdict, lambda images: [CorruptImage("it broke")] * len(images))


def test_forms_are_made_at_the_scale_of_the_views():
    forms = _forms(encode(picture(2, (900, 600)), "PNG"))
    assert {max(forms.make(name).size) for name in VARIANTS} == {256}


def test_a_form_never_makes_a_strip_too_thin_to_be_judged():
    limits = ImageLimits(min_side=60)
    forms = Variants(picture(2, (1024, 64)), limits, 1024)
    assert all(min(forms.make(name).size) >= 60 for name in VARIANTS)
