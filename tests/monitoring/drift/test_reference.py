"""The reference's file: small, the same for the same photos, refused when it is another one."""

import numpy as np
import pytest

from src.monitoring.drift.bank import CHARTS
from src.monitoring.drift.reference import (
    Reference,
    content_hash,
    read_reference,
    reference_path,
    write_reference,
)
from src.utils.errors import ModelError
from tests.support.drift import CUT, FAST, draw, mixed, reference


def test_a_reference_comes_back_as_it_was(tmp_path):
    path = reference_path(tmp_path / "detector.onnx")
    digest = write_reference(path, reference())
    found = read_reference(path, digest)
    assert path.name == "detector.reference.npz"
    assert found.facts == reference().facts
    assert np.array_equal(found.reduced, reference().reduced)
    assert found.to_bytes() == reference().to_bytes()


def test_the_same_photos_make_the_same_file():
    photos = draw(mixed(300, 0.5, 3), 3)
    first, second = (
        Reference.fit(photos, cut=CUT, model_version="1", origin="x", plan=FAST).to_bytes() for _ in range(2)
    )
    assert content_hash(first) == content_hash(second)


def test_it_is_less_than_a_megabyte_for_the_most_photos_and_a_real_networks_embedding():
    rng = np.random.default_rng(0)
    content = Reference(
        facts=reference().facts,
        centre=rng.normal(size=1280).astype(np.float32),
        projection=rng.normal(size=(1280, 32)).astype(np.float32),
        reduced=rng.normal(size=(2500, 32)).astype(np.float32),
        logit=rng.normal(size=2500).astype(np.float32),
        fake=rng.random(2500) < 0.5,
        review=rng.random(2500) < 0.5,
        source=rng.integers(0, 300, 2500).astype(np.int32),
        format=np.full(2500, "JPEG", "U12"),
        width=rng.normal(size=2500).astype(np.float32),
        height=rng.normal(size=2500).astype(np.float32),
        quality=rng.normal(size=2500).astype(np.float32),
        bytes_per_pixel=rng.normal(size=2500).astype(np.float32),
    ).to_bytes()
    assert len(content) <= 2**20


def test_every_chart_has_a_limit_above_what_stable_traffic_shows_on_average():
    limits = reference().facts.limits
    assert set(limits) == set(CHARTS)
    assert min(limits.values()) > 5.0


def test_another_file_than_the_card_names_is_refused(tmp_path):
    path = tmp_path / "m.reference.npz"
    write_reference(path, reference())
    with pytest.raises(ModelError, match="not the drift reference"):
        read_reference(path, "0" * 64)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"x" * 100])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "m.reference.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        read_reference(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no drift reference"):
        read_reference(tmp_path / "none.npz")


@pytest.mark.parametrize(("n", "fake", "reason"), [(40, 0.5, "needs 100"), (200, 0.0, "one label")])
def test_too_few_photos_make_no_reference(n, fake, reason):
    with pytest.raises(ModelError, match=reason):
        Reference.fit(draw(mixed(n, fake, 5), 5), cut=CUT, model_version="1", origin="x", plan=FAST)
