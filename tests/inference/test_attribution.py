"""A family is named where the picture is near it and clearly nearest, beside verdicts that speak for AI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.inference.attribution import Attributor, identity_of
from src.inference.detector import Detector
from src.utils.errors import ModelError
from src.utils.model_card import Calibration, Policy
from tests.support.attribution import tiny_attributor, write_tiny_attributor
from tests.support.pictures import encode
from tests.support.service import quiet_settings, running
from tests.support.tiny_model import tiny_card, write_tiny_model


def plain(red: int, blue: int) -> bytes:
    return encode(Image.new("RGB", (80, 60), (red, 90, blue)), "PNG")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = write_tiny_model(tmp_path / "tiny.onnx")
    write_tiny_attributor(path, tiny_card())
    return path


@pytest.mark.parametrize(
    ("red", "blue", "family"), [(230, 40, "flux"), (230, 150, "google"), (230, 95, None), (255, 0, None)]
)
def test_a_family_is_named_when_near_and_not_between_two_nor_far(
    model: Path, red: int, blue: int, family: str | None
) -> None:
    attribution = Detector.from_file(model, threads=1).detect(plain(red, blue)).attribution
    assert attribution is not None
    assert attribution.family == family
    assert attribution.unknown is (family is None)
    assert 0.5 <= attribution.confidence <= 1.0


def test_a_photo_called_real_is_nobodys(model: Path) -> None:
    detection = Detector.from_file(model, threads=1).detect(plain(40, 230))
    assert (detection.label, detection.needs_review, detection.attribution) == ("real", False, None)


def test_a_doubtful_one_is_attributed_too(model: Path) -> None:
    detection = Detector.from_file(model, threads=1).detect(plain(127, 133))
    assert (detection.label, detection.needs_review) == ("real", True)
    assert detection.attribution is not None
    assert detection.attribution.unknown


def test_a_family_that_is_seldom_right_is_never_named() -> None:
    attributor = tiny_attributor(tiny_card(), named=("google",))
    embedding = np.zeros(1280, np.float32)
    embedding[:2] = attributor.space.means[0] / 10.0
    found = attributor.of(embedding)
    assert (found.family, found.unknown) == (None, True)
    assert found.confidence > 0.9


def test_without_an_attributor_there_is_no_attribution(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "tiny.onnx")
    assert Detector.from_file(path, threads=1).detect(plain(230, 40)).attribution is None


def test_one_of_another_model_or_a_broken_one_is_left_out_and_the_model_serves(model: Path) -> None:
    path = write_tiny_attributor(model, tiny_card(data_hash="1" * 16))
    assert Detector.from_file(model, threads=1).detect(plain(230, 40)).attribution is None
    path.write_bytes(b"no attributor")
    detection = Detector.from_file(model, threads=1).detect(plain(230, 40))
    assert (detection.label, detection.attribution) == ("ai_generated", None)


def test_it_belongs_to_the_network_not_to_its_thresholds() -> None:
    card = tiny_card()
    policies = {"balanced": Policy(threshold=0.6, review_low=0.5, review_high=0.7)}
    refitted = card.model_copy(update={"calibration": Calibration(bias=0.3), "policies": policies})
    assert identity_of(refitted) == identity_of(card)
    assert identity_of(card.model_copy(update={"created": "2025-02-02T00:00:00Z"})) != identity_of(card)


def test_a_file_is_read_as_it_was_written(model: Path) -> None:
    written, read = tiny_attributor(tiny_card()), Attributor.from_file(model.with_suffix(".attribution.npz"))
    assert read.facts == written.facts
    np.testing.assert_allclose(read.space.means, written.space.means, rtol=1e-3)


def test_a_file_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    path.write_bytes(tiny_attributor(tiny_card(), families=("a", "b", "c")).to_bytes())
    with pytest.raises(ModelError, match="fit together"):
        Attributor.from_file(path)
    with pytest.raises(ModelError, match="no attributor"):
        Attributor.from_file(tmp_path / "missing.npz")


def test_the_service_tells_it_as_evidence_to_whoever_asks_for_an_explanation(
    model: Path, tmp_path: Path
) -> None:
    store = {"store_url": f"sqlite:///{tmp_path}/detector.db", "spool_dir": tmp_path / "spool"}
    with running(quiet_settings(model, **store)) as client:
        assert "evidence" not in client.predict(plain(230, 40)).json()
        named = {"headers": {"Idempotency-Key": "a"}}
        body = client.predict(plain(230, 40), "/predict?explain=true", **named).json()
        told = body["evidence"]["attribution"]
        assert (told["family"], told["unknown"]) == ("flux", False)
        again = client.predict(plain(230, 40), "/predict?explain=true", **named).json()
        assert again["evidence"] == body["evidence"]
        kept = client.get(f"/predictions/{body['id']}").json()["prediction"]
        assert kept["evidence"]["attribution"] == told
        files = {"file": ("a.png", plain(230, 40), "image/png")}
        assert client.post("/explain", files=files).json()["attribution"] == told
        unsure = client.predict(plain(255, 0), "/predict?explain=true").json()["evidence"]["attribution"]
        assert unsure["unknown"] is True
        assert "attribution" not in client.predict(plain(40, 230), "/predict?explain=true").json()["evidence"]
