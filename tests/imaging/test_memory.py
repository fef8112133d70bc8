"""A small file may not take much memory: its decoder's need is known before, the rest is done in bands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.imaging.decode import ImageLimits, decode
from src.imaging.structure import is_buffered_jpeg
from src.utils.errors import ImageTooLarge
from tests.support.pictures import encode, picture

SIDE = 4_200
PIXELS = SIDE * SIDE

# Runs in a process of its own, for the peak of a process never falls. The small photo loads what is lazy.
# On Linux `ru_maxrss` starts with the peak of the process that started this one, so /proc is asked there.
MEASURE = """
import re, resource, sys
from pathlib import Path
from src.imaging.decode import decode
def peak():
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
small, large = (Path(name).read_bytes() for name in sys.argv[1:3])
decode(small, draft_side=int(sys.argv[3]))
before = peak()
decode(large, draft_side=int(sys.argv[3]))
print(peak() - before)
"""


def flat(mode: str, size: tuple[int, int]) -> Image.Image:
    if mode == "F":
        return Image.fromarray(np.full(size[::-1], 0.5, np.float32))
    if mode == "I;16":
        return Image.fromarray(np.full(size[::-1], 30_000, np.uint16))
    return Image.new(mode, size, 7 if len(Image.new(mode, (1, 1)).getbands()) == 1 else None)


def growth(folder: Path, mode: str, fmt: str, draft_side: int, **options: Any) -> int:
    """Bytes by which decoding a picture of PIXELS pixels raises the peak of a process."""
    files = []
    for name, side in (("small", 64), ("large", SIDE)):
        path = folder / name
        path.write_bytes(encode(flat(mode, (side, side)), fmt, **options))
        files.append(str(path))
    command = [sys.executable, "-c", MEASURE, *files, str(draft_side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("mode", "fmt", "held", "options"),
    [
        ("F", "TIFF", 8, {"compression": "tiff_adobe_deflate"}),
        ("RGBA", "PNG", 4, {"compress_level": 1}),
        ("I;16", "PNG", 2, {"compress_level": 1}),
        ("P", "PNG", 1, {"transparency": 5}),
        ("RGBA", "WEBP", 16, {"quality": 30, "method": 0}),
        ("RGB", "JPEG", 8, {"progressive": True, "subsampling": "4:4:4"}),
    ],
)
def test_peak_is_what_the_decoder_holds_and_little_more(
    tmp_path: Path, mode: str, fmt: str, held: int, options: dict[str, Any]
) -> None:
    # A half of the scale is left, and the bands' own buffers.
    spare = PIXELS + 30 * 2**20
    assert 0.5 * PIXELS < growth(tmp_path, mode, fmt, 1_024, **options) < held * PIXELS + spare


@pytest.mark.parametrize(
    ("mode", "fmt", "held", "options"),
    [
        ("RGB", "PNG", 4, {}),
        ("L", "PNG", 1, {}),
        ("RGB", "TIFF", 8, {}),
        ("RGB", "WEBP", 16, {}),
        ("RGB", "JPEG", 4, {}),
        ("RGB", "JPEG", 7, {"progressive": True}),
        ("RGB", "JPEG", 10, {"progressive": True, "subsampling": "4:4:4"}),
        ("CMYK", "JPEG", 12, {"progressive": True}),
    ],
)
def test_memory_is_limited_by_kind_of_file(mode: str, fmt: str, held: int, options: dict[str, Any]) -> None:
    data = encode(flat(mode, (64, 64)), fmt, **options)
    needed = held * 64 * 64
    assert decode(data, ImageLimits(max_decoder_bytes=needed)).size == (64, 64)
    with pytest.raises(ImageTooLarge, match=r"4095 pixels|409\d pixels") as caught:
        decode(data, ImageLimits(max_decoder_bytes=needed - 1))
    assert caught.value.code == "too_many_pixels"


def test_jpegs_that_come_in_several_scans_are_buffered() -> None:
    image = picture(1, (64, 64))
    assert not is_buffered_jpeg(encode(image, "JPEG"))
    assert not is_buffered_jpeg(encode(image.convert("L"), "JPEG"))
    assert is_buffered_jpeg(encode(image, "JPEG", progressive=True))
    one_component_first = encode(image, "JPEG").replace(b"\xff\xda\0\x0c\x03\x01", b"\xff\xda\0\x08\x01\x01")
    assert is_buffered_jpeg(one_component_first)
    assert not is_buffered_jpeg(b"\xff\xd8\xff\xe0")
