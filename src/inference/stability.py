"""How a verdict holds when the photo is saved again as platforms save it: a fragile verdict goes to a person.

The re-encodings are fixed, so that the same photo always gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from src.imaging.degrade import jpeg, resize_long, webp
from src.inference.detection import Detection
from src.utils.errors import ImageError
from src.utils.model_card import Fraction

Encode = Callable[[Image.Image], Image.Image]
Detect = Callable[[Sequence[Image.Image]], Sequence[Detection | ImageError]]

_LEAST_SIDE = 256
"""Long side in px below which a variant shrinks no photo: what is left would say nothing of the verdict."""


def _smaller(image: Image.Image, long_side: int) -> Image.Image:
    return resize_long(image, max(long_side, _LEAST_SIDE))


VARIANTS: Mapping[str, Encode] = MappingProxyType(
    {
        "jpeg_q85": lambda image: jpeg(image, 85),
        "jpeg_q60": lambda image: jpeg(image, 60),
        "webp_q75": lambda image: webp(image, 75),
        "half_size": lambda image: jpeg(_smaller(image, max(image.size) // 2), 90),
        "saved_twice": lambda image: jpeg(jpeg(_smaller(image, 1024), 80), 70),
    }
)
"""Name -> what it does to an upright RGB picture."""


class Stability(BaseModel):
    """How much a verdict moves under the re-encodings of `VARIANTS`.

    Attributes:
        score: 1 - the largest change of the probability; 1 for a verdict that does not move.
        flips: The label changes under at least one of them.
        probabilities: Variant -> probability that the photo is AI-generated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Fraction
    flips: bool
    probabilities: dict[str, Fraction] = Field(min_length=1)


def measure(image: Image.Image, detection: Detection, detect: Detect) -> Stability:
    """Judge the variants of a photo and compare.

    Args:
        image: The photo, upright, mode RGB.
        detection: The verdict on the photo itself.
        detect: Judges pictures by the same model and policy.

    Raises:
        ImageError: A variant cannot be judged.
    """
    results = detect([encode(image) for encode in VARIANTS.values()])
    verdicts: list[Detection] = []
    for result in results:
        if isinstance(result, ImageError):
            raise result
        verdicts.append(result)
    return compare(detection, verdicts)


def compare(detection: Detection, verdicts: Sequence[Detection]) -> Stability:
    """Put the verdicts on the variants, in the order of `VARIANTS`, beside that on the photo itself."""
    moved = max(abs(each.probability - detection.probability) for each in verdicts)
    return Stability(
        score=1.0 - moved,
        flips=any(each.label != detection.label for each in verdicts),
        probabilities={name: each.probability for name, each in zip(VARIANTS, verdicts, strict=True)},
    )


def with_review(detection: Detection, stability: Stability) -> Detection:
    """The verdict, for a person to look at if it flips."""
    if not stability.flips:
        return detection
    return detection.model_copy(update={"needs_review": True})
