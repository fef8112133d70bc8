"""Partly generated photos: where the part lies, how it is blended in, what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors.numpy import save_file

from src.evaluation.partial import SHARES, Verdict, edits, main, measure, pairs
from src.evaluation.partial_autoencoder import DECODER, ENCODER, Autoencoder, Weights
from src.evaluation.partial_edit import Pointing, on_grid, part_box, paste, pointing, soft_mask
from src.evaluation.partial_page import Partial, render
from src.utils.errors import DataError
from tests.evaluation.conftest import World, make_record
from tests.support.pictures import picture

WIDTH = 4  # channels of the small autoencoder
SIZE = (160, 120)


def small_weights(seed: int = 0) -> tuple[Weights, Weights]:
    """Weights of the right names and a few channels; blocks start near the identity."""
    rng = np.random.default_rng(seed)

    def conv(name: str, out: int, channels: int, side: int = 3, *, bias: bool = True) -> Weights:
        tensors = {f"{name}.weight": rng.normal(0, 0.1, (out, channels, side, side)).astype(np.float32)}
        return tensors | ({f"{name}.bias": np.zeros(out, np.float32)} if bias else {})

    def block(number: int, *, pool: bool) -> Weights:
        tensors: Weights = {}
        for index in (0, 2, 4):
            tensors |= conv(f"{number}.conv.{index}", WIDTH, WIDTH)
        if pool:
            tensors |= conv(f"{number}.pool.0", 4 * WIDTH, WIDTH, 1, bias=False)
            tensors |= conv(f"{number}.pool.3", WIDTH, 4 * WIDTH, 1, bias=False)
            tensors[f"{number}.pool.1.weight"] = np.ones(4 * WIDTH, np.float32)
            tensors[f"{number}.pool.1.bias"] = np.zeros(4 * WIDTH, np.float32)
        return tensors

    encoder = conv("0", WIDTH, 3) | conv("14", 2, WIDTH)
    decoder = conv("1", WIDTH, 2) | conv("19", 3, WIDTH)
    for number in (2, 6, 10):
        encoder |= conv(str(number), WIDTH, WIDTH, bias=False)
    for number in (7, 12, 17):
        decoder |= conv(str(number), WIDTH, WIDTH, bias=False)
    for number in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        encoder |= block(number, pool=number > 10)
    for number in (3, 4, 5, 8, 9, 10, 13, 14, 15, 18):
        decoder |= block(number, pool=number < 6)
    return encoder, decoder


def product_on_white(left: int, top: int) -> Image.Image:
    """A finely patterned square of 60 px on white."""
    image = Image.new("RGB", SIZE, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for x in range(left, left + 60, 4):
        draw.rectangle((x, top, x + 1, top + 59), fill=(20, 60, 90))
    return image


@pytest.mark.parametrize("share", SHARES)
def test_a_part_has_its_share_of_the_area(share):
    image = picture(4, (400, 300))
    box = part_box(image, share)
    assert box[0] >= 0
    assert box[1] >= 0
    assert box[2] <= 400
    assert box[3] <= 300
    mask = np.asarray(soft_mask(image.size, box), np.float64) / 255
    assert mask.mean() == pytest.approx(share, rel=0.12)
    assert np.mean((mask > 0.05) & (mask < 0.95)) > 0, "the edge is soft"


@pytest.mark.parametrize("corner", [(0, 0), (96, 56)])
def test_a_part_lies_on_the_product(corner):
    left, top, right, bottom = part_box(product_on_white(*corner), 0.05)
    middle = ((left + right) / 2, (top + bottom) / 2)
    assert corner[0] <= middle[0] <= corner[0] + 60
    assert corner[1] <= middle[1] <= corner[1] + 60


def test_a_pasted_part_shows_the_donor_inside_and_the_photo_outside():
    image, donor = picture(1, SIZE), Image.new("RGB", SIZE, (255, 0, 0))
    box = (50, 40, 90, 80)
    mixed = Image.composite(paste(image, donor, box), image, soft_mask(SIZE, box))
    assert mixed.getpixel((70, 60)) == (255, 0, 0)
    assert mixed.crop((0, 0, 30, 30)).tobytes() == image.crop((0, 0, 30, 30)).tobytes()


def test_every_size_of_part_is_made_of_every_fill():
    image, donor = picture(1, SIZE), picture(2, SIZE)
    made = [(fill, share) for fill, share, _, _ in edits(image, {"autoencoder": picture(3, SIZE)}, donor)]
    assert made[0] == ("none", 0.0)
    for fill in ("autoencoder", "paste"):
        assert [share for name, share in made if name == fill] == [*SHARES, 1.0]


def test_a_heatmap_that_points_is_told_from_one_that_does_not():
    mask = soft_mask(SIZE, (80, 60, 160, 120))
    inside = on_grid(mask, 8, 8)
    assert inside[6, 6]
    assert not inside[1, 1]
    right, wrong = np.full((8, 8), 0.1), np.full((8, 8), 0.1)
    right[inside] = 0.9
    wrong[0, 0] = 0.9
    pointed, missed = pointing(right, inside), pointing(wrong, inside)
    assert (pointed.peak, missed.peak) == (True, False)
    assert pointed.ranking == 1.0
    assert missed.ranking < 0.5
    assert pointed.mass > pointed.area > missed.mass


def test_a_part_smaller_than_a_cell_still_has_one():
    assert on_grid(soft_mask(SIZE, (33, 33, 37, 37)), 8, 8).sum() >= 1


def test_what_is_found_is_counted_by_fill_and_size():
    def of(found: bool, peak: bool) -> list[Verdict]:
        point = Pointing(peak, 0.1, 0.2, 0.7)
        return [
            Verdict("paste", 0.5, found, 0.8, point),
            Verdict("none", 0.0, False, 0.2, None),
            Verdict("paste", 0.1, False, 0.3, point),
        ]

    rows = measure(["a", "a", "b", "b"], [of(True, True), of(True, False), of(False, False), of(True, True)])
    assert [(row.fill, row.share) for row in rows] == [("none", 0.0), ("paste", 0.1), ("paste", 0.5)]
    assert rows[0].found.value == 0.0
    assert rows[0].peak.value is None
    assert rows[2].found.value == 0.75
    assert rows[2].found.low == 0.5  # the worse of the two shops, drawn twice
    assert rows[2].peak.value == 0.5
    assert rows[2].area.value == pytest.approx(0.1)


def test_real_photos_meet_fakes_by_turns():
    records = [make_record(f"{n}", fake=n > 2, source=f"s{n}", size=SIZE) for n in range(5)]
    assert pairs(records) == [(records[0], records[3]), (records[1], records[4]), (records[2], records[3])]
    with pytest.raises(DataError, match="need real photos"):
        pairs(records[:2])


def test_the_autoencoder_keeps_the_size_and_is_local():
    coder = Autoencoder(*small_weights())
    image = picture(5, (61, 45))
    copy = coder.copy(image)
    assert copy.size == image.size
    assert copy.tobytes() == coder.copy(image).tobytes()


def test_the_autoencoder_computes_what_its_weights_say():
    """With blocks that pass everything on, three averages down and three doublings up: a mosaic of means."""
    encoder, decoder = small_weights()
    for weights in (encoder, decoder):
        for name, tensor in weights.items():
            tensor[:] = 0.0
            if name.split(".")[1] == "pool" and name.endswith("1.weight"):
                tensor[:] = 1.0

    def route(weights: Weights, name: str, pairs: list[tuple[int, int]], gain: float = 1.0) -> None:
        for to, origin in pairs:
            weights[f"{name}.weight"][to, origin, 1, 1] = gain

    two = [(0, 0), (1, 1)]
    for number in (0, 2, 6, 10, 14):
        route(encoder, str(number), two)
    for number in (1, 7, 12, 17, 19):
        route(decoder, str(number), two)
    copy = Autoencoder(encoder, decoder).copy(Image.new("RGB", (32, 16), (200, 100, 50)))
    expected = [round(255 * 3 * np.tanh(level / 255 / 3)) for level in (200, 100)]
    assert copy.getpixel((7, 7)) == (*expected, 0)


def test_the_autoencoder_needs_its_weights(tmp_path):
    with pytest.raises(DataError, match=ENCODER):
        Autoencoder.from_folder(tmp_path)
    encoder, decoder = small_weights()
    del encoder["5.conv.2.weight"]
    with pytest.raises(DataError, match=r"lack 5\.conv\.2\.weight"):
        Autoencoder(encoder, decoder)


def test_the_command_writes_figures_and_page(world: World, tmp_path):
    encoder, decoder = small_weights()
    save_file({name: each.astype(np.float16) for name, each in encoder.items()}, tmp_path / ENCODER)
    save_file({name: each.astype(np.float16) for name, each in decoder.items()}, tmp_path / DECODER)
    out = tmp_path / "out"
    options = [*world.options(), "--photos", "8", "--autoencoder", str(tmp_path), "--out", str(out)]
    assert main(options) == 0
    found = Partial.model_validate_json((out / "partial.json").read_text())
    assert len(found.rows) == 1 + 2 * (len(SHARES) + 1)
    by_key = {(row.fill, row.share): row for row in found.rows}
    # To the tiny model red is fake: blue photos are real until a red picture covers them.
    assert by_key["none", 0.0].found.value == 0.0
    assert by_key["paste", 1.0].found.value == 1.0
    chances = [by_key["paste", share].probability.value for share in (*SHARES, 1.0)]
    assert chances == sorted(chances)
    large = by_key["paste", 0.2]
    assert large.ranking.value > 0.8
    assert large.mass.value > large.area.value
    assert (out / "partial.md").read_text() == render(found)


def test_without_weights_only_pastes_are_made(world: World, tmp_path):
    assert main([*world.options(), "--photos", "4", "--out", str(tmp_path)]) == 0
    found = Partial.model_validate_json((tmp_path / "partial.json").read_text())
    assert {row.fill for row in found.rows} == {"none", "paste"}
