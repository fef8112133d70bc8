from __future__ import annotations

import numpy as np
import pytest

from src.training.config import SamplingConfig
from src.training.sampling import sampling_weights


def _clone(record, number, **changes):
    sha256 = f"{number:064x}"
    return record.model_copy(update={"sha256": sha256, "group": f"g{number}", **changes})


@pytest.fixture
def shops(records):
    real = next(r for r in records if not r.is_fake)
    fake = next(r for r in records if r.is_fake)
    large = [_clone(real, i, source="large") for i in range(81)]
    small = [_clone(real, 100, source="small")]
    return large + small + [_clone(fake, 200 + i, source="fakes", generator="sd15") for i in range(3)]


def test_labels_share_evenly_whatever_their_number(shops):
    weights = sampling_weights(shops, SamplingConfig())
    fake = np.array([r.is_fake for r in shops])
    assert weights.sum() == pytest.approx(1)
    assert weights[fake].sum() == pytest.approx(0.5)


def test_a_large_shop_is_damped_by_the_power(shops):
    weights = sampling_weights(shops, SamplingConfig(source_power=0.5))
    large = weights[np.array([r.source == "large" for r in shops])].sum()
    small = weights[np.array([r.source == "small" for r in shops])].sum()
    assert large / small == pytest.approx(9.0)


def test_photos_of_one_product_share_its_weight(records):
    real = [r for r in records if not r.is_fake][:2]
    one_product = [_clone(real[0], i, group="same") for i in range(4)]
    other = _clone(real[0], 9, group="other")
    fake = next(r for r in records if r.is_fake)
    weights = sampling_weights([*one_product, other, fake], SamplingConfig())
    assert weights[:4].sum() == pytest.approx(weights[4])


def test_styles_get_their_stated_shares(records):
    real = next(r for r in records if not r.is_fake)
    styled = [_clone(real, 1, style="seller", source="a"), _clone(real, 2, style="studio", source="b")]
    weights = sampling_weights(styled, SamplingConfig(style_weights={"seller": 0.25, "studio": 0.75}))
    assert weights == pytest.approx([0.25, 0.75])
