"""From bytes to verdict: known logits, one answer whatever the way in, and typed errors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from src.imaging.decode import ImageLimits, decode
from src.imaging.views import make_views
from src.inference.detector import Detection, Detector
from src.utils.errors import ImageError, ModelError, PolicyError
from src.utils.model_card import Calibration, ViewPlan
from src.utils.settings import Settings
from tests.support.pictures import encode, photo_bytes, picture
from tests.support.tiny_model import FEATURES, expected_logit, tiny_card, write_tiny_model

RED, BLUE = (230, 90, 40), (40, 90, 230)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (90, 70)) -> bytes:
    return encode(Image.new("RGB", size, colour), "PNG")


def comparable(detection: Detection) -> dict[str, object]:
    return detection.model_dump(exclude={"timings_ms"})


def heatmap_of(detection: Detection) -> NDArray[np.float64]:
    """The heatmap as an array, NaN where no view looked."""
    return np.array(detection.heatmap, np.float64)


@pytest.mark.parametrize(("colour", "label"), [(RED, "ai_generated"), (BLUE, "real")])
def test_plain_colours_give_the_known_verdict(
    detector: Detector, colour: tuple[int, int, int], label: str
) -> None:
    result = detector.detect(plain(colour))
    logit = expected_logit(colour[0], colour[2])
    assert result.label == label
    assert result.logit == pytest.approx(logit, abs=1e-4)
    assert result.global_logit == pytest.approx(logit, abs=1e-4)
    assert result.crop_logits == pytest.approx([logit, logit], abs=1e-4)
    assert result.probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)
    assert result.confidence == max(result.probability, 1 - result.probability)
    assert result.embedding.shape == (FEATURES,)
    assert result.embedding.dtype == np.float32
    assert not result.embedding.flags.writeable


def test_all_ways_in_give_one_answer(detector: Detector, tmp_path: Path) -> None:
    data = photo_bytes(3, (120, 80), "PNG")
    path = tmp_path / "photo.with-wrong-ending.txt"
    path.write_bytes(data)
    by_bytes = comparable(detector.detect(data))
    assert comparable(detector.detect(path)) == by_bytes
    assert comparable(detector.detect(Image.open(io.BytesIO(data)))) == by_bytes


def test_batch_equals_single(detector: Detector) -> None:
    sizes = [(96, 64), (40, 33), (300, 50), (64, 64), (20, 18), (512, 400), (33, 200), (90, 90), (70, 31)]
    photos = [photo_bytes(seed, size) for seed, size in enumerate(sizes)]
    batch = detector.detect_batch(photos)
    assert len(batch) == len(photos)
    for photo, result in zip(photos, batch, strict=True):
        assert isinstance(result, Detection)
        alone = detector.detect(photo)
        assert result.logit == pytest.approx(alone.logit, abs=1e-5)
        np.testing.assert_allclose(heatmap_of(result), heatmap_of(alone), atol=1e-3)
        np.testing.assert_allclose(result.embedding, alone.embedding, atol=1e-5)


def test_bad_photos_in_a_batch_leave_the_others_alone(detector: Detector, tmp_path: Path) -> None:
    good = photo_bytes(1)
    empty = tmp_path / "empty.jpg"
    empty.touch()
    results = detector.detect_batch(
        [good, b"", good[:200], tmp_path / "gone.jpg", tmp_path, empty, b"text", good]
    )
    codes = [item.code if isinstance(item, ImageError) else item.label for item in results]
    assert codes[1:3] == ["empty_file", "corrupt_image"]
    assert codes[3:7] == ["unreadable_file", "unreadable_file", "empty_file", "unsupported_format"]
    first, last = results[0], results[7]
    assert isinstance(first, Detection)
    assert isinstance(last, Detection)
    assert comparable(first) == comparable(last)


def test_empty_batch(detector: Detector) -> None:
    assert detector.detect_batch([]) == []
    assert detector.score_views([]) == []


def test_single_bad_photo_raises_its_error(detector: Detector) -> None:
    with pytest.raises(ImageError) as caught:
        detector.detect(b"<html>")
    assert caught.value.code == "unsupported_format"


def test_policies_move_the_label_not_the_probability(detector: Detector) -> None:
    photo = plain((140, 90, 110))  # probability about 0.6
    results = {name: detector.detect(photo, name) for name in (None, "low_false_positive", "high_recall")}
    assert {item.probability for item in results.values()} == {results[None].probability}
    assert results[None].policy == "balanced"
    assert [results[name].label for name in results] == ["ai_generated", "real", "ai_generated"]
    assert [results[name].threshold for name in results] == [0.5, 0.9, 0.1]


def test_doubtful_photo_needs_review(detector: Detector) -> None:
    assert detector.detect(plain((120, 90, 118))).needs_review
    assert not detector.detect(plain(RED)).needs_review


@pytest.mark.parametrize("photos", [[], [b""]])
def test_unknown_policy_is_one_error_for_the_batch(detector: Detector, photos: list[bytes]) -> None:
    with pytest.raises(PolicyError):
        detector.detect_batch(photos, "nonsense")


def test_card_decides_calibration_views_and_weights(tmp_path: Path) -> None:
    card = tiny_card(
        calibration=Calibration(temperature=4.0, bias=-1.0),
        views=ViewPlan(max_side=128, global_sizes=(64,), crop_size=32, crops=3, global_weight=0.25),
    )
    detector = Detector.from_file(write_tiny_model(tmp_path / "m.onnx", card), threads=1)
    result = detector.detect(photo_bytes(5, (200, 120), "PNG"))
    crops = result.crop_logits
    assert len(crops) == 3
    assert result.logit == pytest.approx(0.25 * result.global_logit + 0.75 * sum(crops) / 3)
    assert result.probability == pytest.approx(1 / (1 + np.exp(-(result.logit / 4 - 1))))


def test_plan_without_crops(tmp_path: Path) -> None:
    card = tiny_card(views=ViewPlan(max_side=128, global_sizes=(64,), crop_size=32, crops=0))
    detector = Detector.from_file(write_tiny_model(tmp_path / "m.onnx", card), threads=1)
    result = detector.detect(plain(RED))
    assert result.crop_logits == ()
    assert result.logit == result.global_logit


def test_raw_scores_are_those_of_the_verdict(detector: Detector) -> None:
    photos = [photo_bytes(seed, (100 + 40 * seed, 90), "PNG") for seed in range(3)]
    card = detector.card
    views = [make_views(decode(photo), card.views, card.mean, card.std) for photo in photos]
    for scores, photo in zip(detector.score_views(views), photos, strict=True):
        verdict = detector.detect(photo)
        assert scores.global_logit == pytest.approx(verdict.global_logit, abs=1e-5)
        assert list(scores.crop_logits) == pytest.approx(list(verdict.crop_logits), abs=1e-5)
        assert len(scores.crop_cams) == len(scores.crop_logits)


def test_heatmap_shows_where_it_is_red(detector: Detector) -> None:
    image = Image.new("RGB", (128, 128), BLUE)
    image.paste(RED, (64, 0, 128, 128))
    grid = heatmap_of(detector.detect(image))
    assert grid.shape == (8, 8)
    assert np.mean(grid[:, 5:]) > 0.8
    assert np.mean(grid[:, :3]) < 0.2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_does_not_change_the_verdict(detector: Detector, orientation: int) -> None:
    upright = picture(7, (150, 100))
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for method in undo[orientation]:
        stored = stored.transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encode(stored, "PNG", exif=exif)
    expected = comparable(detector.detect(encode(upright, "PNG")))
    assert comparable(detector.detect(turned)) == expected
    assert comparable(detector.detect(Image.open(io.BytesIO(turned)))) == expected


def test_large_photo_is_judged_like_its_small_copy(detector: Detector) -> None:
    small = picture(2, (240, 180))
    large = small.resize((4800, 3600), Image.Resampling.BILINEAR)
    first, second = detector.detect(encode(small, "PNG")), detector.detect(encode(large, quality=95))
    assert second.global_logit == pytest.approx(first.global_logit, abs=0.05)


def test_limits_hold_for_files_and_pictures(model_path: Path, tmp_path: Path) -> None:
    limits = ImageLimits(max_bytes=2000, min_side=20)
    detector = Detector.from_file(model_path, threads=1, limits=limits)
    path = tmp_path / "large.png"
    path.write_bytes(b"x" * 2001)
    results = detector.detect_batch([path, Image.new("RGB", (19, 300)), photo_bytes(1, (10, 10))])
    codes = [getattr(item, "code", None) for item in results]
    assert codes == ["file_too_large", "image_too_small", "image_too_small"]


def test_lazy_picture_that_turns_out_damaged(detector: Detector) -> None:
    data = photo_bytes(1, (200, 200))
    with pytest.raises(ImageError) as caught:
        detector.detect(Image.open(io.BytesIO(data[: len(data) // 2])))
    assert caught.value.code == "corrupt_image"


def test_damaged_exif_does_not_stop_a_picture(detector: Detector) -> None:
    # The directory announces 255 entries and has none; Pillow's own `exif_transpose` raises on such files.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\xff" + bytes(4)
    data = encode(picture(4, (90, 60)), "PNG")
    damaged = encode(picture(4, (90, 60)), "PNG", exif=exif)
    expected = comparable(detector.detect(data))
    assert comparable(detector.detect(damaged)) == expected
    assert comparable(detector.detect(Image.open(io.BytesIO(damaged)))) == expected


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_pixels": 89 * 60}, "too_many_pixels"),
        ({"max_side": 89}, "side_too_long"),
        ({"min_side": 61}, "image_too_small"),
        ({"max_aspect": 1.4}, "too_elongated"),
    ],
)
def test_limits_hold_for_pictures_before_they_are_loaded(
    model_path: Path, limits: dict[str, Any], code: str
) -> None:
    detector = Detector.from_file(model_path, threads=1, limits=ImageLimits(**limits))
    lazy = Image.open(io.BytesIO(photo_bytes(4, (90, 60), "PNG")))
    assert isinstance(lazy, ImageFile.ImageFile)
    for photo in (lazy, picture(4, (90, 60))):
        result = detector.detect_batch([photo])[0]
        assert isinstance(result, ImageError)
        assert result.code == code
    assert lazy.tile, "it was loaded though it was refused"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "CMYK", "I;16", "F"])
def test_a_loaded_picture_is_judged_like_its_lossless_file_and_left_alone(
    detector: Detector, mode: str
) -> None:
    image = picture(6, (3000, 1500) if mode == "RGBA" else (120, 80)).convert(
        mode if mode[0] not in "IF" else "L"
    )
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(image).astype(np.float32) / 255)
    image.info["note"] = "mine"
    before = image.tobytes()
    data = encode(image, "TIFF" if mode in ("CMYK", "F") else "PNG")
    assert comparable(detector.detect(image)) == comparable(detector.detect(data))
    assert (image.tobytes(), image.mode, image.info["note"]) == (before, mode, "mine")


def test_closed_picture_is_a_typed_error(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(photo_bytes(1, (80, 80), "PNG"))
    with Image.open(path) as image:
        pass
    with pytest.raises(ImageError) as caught:
        detector.detect(image)
    assert caught.value.code == "corrupt_image"


def test_transparent_picture_lies_on_white(detector: Detector) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert detector.detect(image).logit == pytest.approx(0.0, abs=1e-4)


def test_timings_add_up(detection: Detection) -> None:
    timings = detection.timings_ms
    assert set(timings) == {"decode", "views", "inference", "total"}
    assert timings["total"] >= timings["decode"] + timings["views"] + timings["inference"] - 0.01
    assert all(value > 0 for value in timings.values())


def test_json_has_a_schema_and_no_embedding(detection: Detection) -> None:
    schema = Detection.model_json_schema()
    assert set(schema["properties"]) == set(detection.model_dump())
    assert "embedding" not in schema["properties"]
    assert schema["properties"]["label"]["enum"] == ["real", "ai_generated"]
    assert '"heatmap":[[' in detection.model_dump_json()


def test_from_settings_takes_path_and_limits(model_path: Path) -> None:
    detector = Detector.from_settings(Settings(model_path=model_path, min_side=50, intra_op_threads=1))
    with pytest.raises(ImageError):
        detector.detect(photo_bytes(1, (49, 80)))
    with pytest.raises(ModelError):
        Detector.from_settings(Settings(model_path=model_path.with_name("gone.onnx")))
