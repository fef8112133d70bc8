"""How a verdict holds when the photo is saved again as platforms save it: a fragile verdict goes to a person.

The re-encodings are fixed, so that the same photo always gets the same answer. They are made of the photo at
the scale at which views are cut, as platforms make large photos smaller too; so a huge photo costs no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import Image

from src.imaging.decode import ImageLimits
from src.imaging.degrade import jpeg, resize_long, webp
from src.imaging.views import limit_side
from src.inference.detection import Detection
from src.inference.evidence import Stability
from src.inference.photo import Photo, open_photo
from src.utils.errors import ImageError

Encode = Callable[[Image.Image], Image.Image]
Detect = Callable[[Sequence[Image.Image]], Sequence[Detection | ImageError]]

_LEAST_SIDE = 256
"""Long side in px below which a variant shrinks no photo: what is left would say nothing of the verdict."""

_THIN_QUALITY = 70


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


class Variants:
    """The forms of one photo, made one at a time of a picture that is decoded when the first is asked for.

    Args:
        photo: A file's bytes, its path, or a picture.
        limits: What a photo may ask for.
        max_side: Long side in px at which the model cuts its views.
    """

    def __init__(self, photo: Photo, limits: ImageLimits, max_side: int) -> None:
        self._photo = photo
        self._limits = limits
        self._max_side = max_side
        self._image: Image.Image | None = None

    def make(self, name: str) -> Image.Image:
        """Return the photo as the form of `VARIANTS` leaves it; one thread at a time.

        Raises:
            ImageError: The photo cannot be used.
        """
        if self._image is None:
            opened = open_photo(self._photo, self._limits, self._max_side)
            self._image = limit_side(opened, self._max_side)
        made = VARIANTS[name](self._image)
        # A strip that a form makes too thin to be judged would cost the photo its answer.
        return made if min(made.size) >= self._limits.min_side else jpeg(self._image, _THIN_QUALITY)


def measure(variants: Variants, detection: Detection, detect: Detect) -> Stability:
    """Judge the forms of a photo and compare.

    Args:
        variants: Of the photo.
        detection: The verdict on the photo itself.
        detect: Judges pictures by the same model and policy.

    Raises:
        ImageError: A form cannot be judged.
    """
    results = detect([variants.make(name) for name in VARIANTS])
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


def with_stability(detection: Detection, stability: Stability) -> Detection:
    """The verdict with how it holds; for a person to look at if it flips."""
    needs_review = detection.needs_review or stability.flips
    return detection.model_copy(update={"stability": stability, "needs_review": needs_review})
