"""Five hundred damaged photos through `POST /predict`: a verdict or a 4xx each, no hang, memory flat."""

from __future__ import annotations

import gc
import random
from collections import Counter

import httpx
import psutil

from tests.support.damage import flip_bits, seed_files
from tests.support.patience import computing_within
from tests.support.pictures import FORMATS, photo_bytes
from tests.support.service import Client

VARIANTS = 500
SLOWEST_S = 5.0  # of computing, for one small photo
GROWTH_MB = 8.0
CODES = {"corrupt_image", "unsupported_format", "empty_file", "image_too_small", "side_too_long"} | {
    "too_many_pixels", "too_many_frames", "too_elongated", "file_too_large",
}  # fmt: skip


def damage(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Damage a file in one of the usual ways: flipped bits, a cut, a wrong header, or several."""
    kinds = rng.sample(["bits", "cut", "header"], rng.choice([1, 1, 1, 2, 3]))
    if "header" in kinds:
        length = rng.choice([2, 4, 8, 12, 30, 64])
        data = rng.choice(others)[:length] + data[length:]
    if "bits" in kinds:
        # Squared places: most damage goes to the header, where the decisions are.
        data = flip_bits(data, [(rng.random() ** 2, rng.randrange(8)) for _ in range(rng.randint(1, 12))])
    if "cut" in kinds:
        data = data[: int(rng.random() * len(data))]
    return data


def variants(count: int) -> list[bytes]:
    rng = random.Random(20_240_501)
    formats = [name for name in FORMATS if name != "AVIF"]
    whole = [photo_bytes(seed, (96, 64), name) for seed, name in enumerate(formats)] + list(
        seed_files().values()
    )
    return [damage(whole[number % len(whole)], whole, rng) for number in range(count)]


def resident_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def test_damaged_photos_never_hurt_the_service(client: Client) -> None:
    photos = variants(VARIANTS)
    outcomes: Counter[str] = Counter()
    marks = []
    for start in (0, VARIANTS // 2):
        for photo in photos[start : start + VARIANTS // 2]:
            with computing_within(SLOWEST_S):
                response = client.predict(photo)
            outcomes[outcome(response)] += 1
        marks.append(resident_mb())
    assert marks[1] - marks[0] < GROWTH_MB
    assert set(outcomes) <= CODES | {"verdict"}
    # The set must reach both sides: the decoder's refusals and photos that survived their damage.
    assert outcomes["verdict"] > 50
    assert outcomes["corrupt_image"] > 100
    assert outcomes["unsupported_format"] > 50
    assert client.predict(photo_bytes(1)).status_code == 200


def outcome(response: httpx.Response) -> str:
    if response.status_code == 200:
        return "verdict"
    assert 400 <= response.status_code < 500, response.text
    return str(response.json()["code"])


def test_same_damage_every_time() -> None:
    assert variants(40) == variants(40)
