"""Which photo comes next: even over labels, damped over generator families, shops and products.

Breadth of shops is what carries over to the next shop, so a shop of 300 photos is not shown a hundred times
as often as one of three.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.families import family_of
from src.data.manifest import PhotoRecord
from src.training.config import SamplingConfig


def sampling_weights(records: Sequence[PhotoRecord], config: SamplingConfig) -> NDArray[np.float64]:
    """Probability of each record to be drawn, float64 [n], summing to 1.

    The two labels get one half each. Within a label the stratum (style of a photo, family of a fake) gets
    its share, within the stratum the shop its size to the power `source_power`, within the shop each group
    (product, prompt) the same, and within the group each photo.
    """
    strata: dict[bool, dict[str, float]] = {True: {}, False: {}}
    keys = [(record.is_fake, _stratum(record), record.source, record.group) for record in records]
    for stratum, count in Counter(key[:2] for key in keys).items():
        strata[stratum[0]][stratum[1]] = _stratum_weight(stratum, count, config)
    shops: dict[tuple[bool, str], dict[str, float]] = defaultdict(dict)
    for (fake, name, source), count in Counter(key[:3] for key in keys).items():
        shops[fake, name][source] = count**config.source_power
    groups: dict[tuple[bool, str, str], set[str]] = defaultdict(set)
    for fake, name, source, group in keys:
        groups[fake, name, source].add(group)
    photos = Counter(keys)
    weights = np.array(
        [
            strata[fake][name]
            / sum(strata[fake].values())
            * shops[fake, name][source]
            / sum(shops[fake, name].values())
            / len(groups[fake, name, source])
            / photos[fake, name, source, group]
            for fake, name, source, group in keys
        ]
    )
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _stratum(record: PhotoRecord) -> str:
    return family_of(record.generator) if record.is_fake else record.style or "unknown"


def _stratum_weight(stratum: tuple[bool, str], count: int, config: SamplingConfig) -> float:
    fake, name = stratum
    return float(count**config.family_power) if fake else config.style_weights.get(name, 0.1)
