"""Would another file have got another verdict? Photos are re-encoded and re-sized to resemble other files.

Each photo takes over format, size and quality of a random file of the *other* label, and as a control those
of a random file of its *own* label: both cost some detail, so what counts is the difference. A detector of
JPEG quality or image size loses its accuracy under the first and keeps it under the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from src.data.facts import FileFacts
from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics
from src.imaging.degrade import jpeg, resize_long, webp
from src.utils.errors import DataError

MAX_COST = 2.0
_WEBP_QUALITY = 80
_JPEG_QUALITIES = (1, 95)

Variant = Literal["untouched", "own", "other"]
VARIANTS: tuple[Variant, ...] = ("untouched", "own", "other")


class Counterfactual(BaseModel):
    """Balanced accuracy under re-encoding; all but the counts in percentage points.

    Attributes:
        photos: Number of photos.
        balanced_accuracy: Of each variant.
        cost: untouched - other.
        control: untouched - own.
        net: own - other, what looking like the other label costs beyond being re-encoded at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: int
    balanced_accuracy: dict[Variant, float]
    cost: Figure
    control: Figure
    net: Figure


def resemble(image: Image.Image, donor: FileFacts) -> Image.Image:
    """Give an RGB picture the size and the codec of another file.

    It is never enlarged: to invent pixels is a manipulation of its own, and would be what the network reacts
    to. Of a WebP file the quality is not known; 80, the common default, stands for it. A lossless donor only
    re-sizes.
    """
    image = resize_long(image, max(donor.width, donor.height))
    if donor.format == "JPEG":
        quality = int(np.clip(donor.quality or 75, *_JPEG_QUALITIES))
        known = donor.subsampling if donor.subsampling in ("4:4:4", "4:2:2") else "4:2:0"
        return jpeg(image, quality, known)
    return webp(image, _WEBP_QUALITY) if donor.format == "WEBP" else image


def draw_donors(
    fake: BoolArray, source: NDArray[np.str_], *, other: bool, rng: np.random.Generator
) -> NDArray[np.int64]:
    """For each of N photos the index of a random donor, of the other label or of its own.

    A shop is drawn first, then one of its photos: one shop often has one size and codec, and large shops
    would otherwise stand for their whole label.

    Raises:
        DataError: A label is absent.
    """
    if fake.all() or not fake.any():
        raise DataError("the shortcut check needs photos of both labels")
    pools = {}
    for label in (False, True):
        members = np.flatnonzero(fake == label)
        pools[label] = [members[source[members] == name] for name in np.unique(source[members])]
    donors = np.zeros(len(fake), dtype=np.int64)
    for i, label in enumerate(fake.tolist()):
        shops = pools[label != other]
        shop = shops[rng.integers(len(shops))]
        donors[i] = shop[rng.integers(len(shop))]
    return donors


def compare(
    fake: BoolArray, source: NDArray[np.str_], decided: dict[Variant, BoolArray], *, replicates: int = 1000
) -> Counterfactual:
    """Balanced accuracy of the variants and their differences, in points, with intervals over sources."""

    def points(weights: FloatArray) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {
            name: 100 * decision_metrics(fake, decided[name], weights)["balanced_accuracy"]
            for name in VARIANTS
        }
        return {
            **found,
            "cost": found["untouched"] - found["other"],
            "control": found["untouched"] - found["own"],
            "net": found["own"] - found["other"],
        }

    figures = intervals(points, source, fake, replicates=replicates)
    return Counterfactual(
        photos=len(fake),
        balanced_accuracy={name: figures[name].value or 0.0 for name in VARIANTS},
        cost=figures["cost"],
        control=figures["control"],
        net=figures["net"],
    )


def donors_of(
    facts: Sequence[FileFacts], fake: BoolArray, source: NDArray[np.str_], seed: int
) -> dict[Variant, list[FileFacts]]:
    """The donors' facts for the variants `own` and `other`, the same for the same seed."""
    rng = np.random.default_rng(seed)
    chosen: dict[Variant, list[FileFacts]] = {}
    for variant, other in (("own", False), ("other", True)):
        index = draw_donors(fake, source, other=other, rng=rng)
        chosen["other" if variant == "other" else "own"] = [facts[i] for i in index.tolist()]
    return chosen
