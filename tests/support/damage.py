"""Valid image files of many kinds, and the ways in which they are damaged before a decoder meets them."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image, features

from tests.support.pictures import encode, picture
from tests.support.profiles import matrix_profile


@cache
def seed_files() -> dict[str, bytes]:
    """One small valid file for every way of storing a picture that has a decoder path of its own."""
    plain = picture(1, (40, 30))
    alpha = plain.copy()
    alpha.putalpha(plain.convert("L"))
    frames = [picture(seed, (40, 30)).convert("P") for seed in (2, 3)]
    deep = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274], exif[271], exif[282] = 6, "a camera", 72.0
    profile = matrix_profile()
    files = {
        "jpeg": encode(plain, "JPEG", exif=exif, icc_profile=profile, comment=b"a note"),
        "jpeg progressive": encode(plain, "JPEG", progressive=True, quality=60),
        "jpeg cmyk": encode(plain.convert("CMYK"), "JPEG"),
        "png": encode(plain, "PNG", exif=exif),
        "png palette": encode(plain.convert("P"), "PNG", transparency=3),
        "png 16 bit": encode(deep, "PNG"),
        "png animated": encode(plain, "PNG", save_all=True, append_images=[picture(4, (40, 30))]),
        "gif": encode(frames[0], "GIF", save_all=True, append_images=frames[1:], transparency=1),
        "bmp": encode(plain, "BMP"),
        "bmp palette": encode(plain.convert("P"), "BMP"),
        "tiff": encode(plain, "TIFF", exif=exif),
        "tiff lzw": encode(plain, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encode(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encode(plain, "TIFF", compression="jpeg"),
        "tiff fax": encode(plain.convert("1"), "TIFF", compression="group4"),
        "tiff big": encode(plain, "TIFF", big_tiff=True),
        "tiff float": encode(plain.convert("F"), "TIFF"),
        "webp": encode(plain, "WEBP", exif=exif),
        "webp lossless": encode(alpha, "WEBP", lossless=True),
        "webp animated": encode(plain, "WEBP", save_all=True, append_images=[picture(5, (40, 30))]),
    }
    if features.check("avif"):
        files["avif"] = encode(alpha, "AVIF", exif=exif, speed=10)
    return files


def flip_bits(data: bytes, flips: list[tuple[float, int]]) -> bytes:
    """Flips one bit at each place, given as (fraction of the length, number of the bit)."""
    changed = bytearray(data)
    for place, bit in flips:
        changed[int(place * (len(changed) - 1))] ^= 1 << bit
    return bytes(changed)


_fractions = st.floats(0.0, 1.0)
# Squaring moves most of the damage to the header, where the decisions are.
_places = _fractions.map(lambda value: value * value)


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Draws a valid file and damages it in one or two of the usual ways."""
    files = seed_files()
    names = sorted(files)
    data = files[draw(st.sampled_from(names))]
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["bits", "cut", "header", "splice", "fill", "insert"]))
        at = int(draw(_places) * len(data))
        if kind == "bits":
            data = flip_bits(
                data, draw(st.lists(st.tuples(_places, st.integers(0, 7)), min_size=1, max_size=12))
            )
        elif kind == "cut":
            data = data[: max(1, at)]
        elif kind == "header":
            length = draw(st.integers(2, 64))
            data = files[draw(st.sampled_from(names))][:length] + data[length:]
        elif kind == "splice":
            data = data[:at] + files[draw(st.sampled_from(names))][at:] or data
        elif kind == "fill":
            length = draw(st.integers(1, 32))
            filler = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"]))
            data = data[:at] + filler * len(data[at : at + length]) + data[at + length :]
        else:
            data = data[:at] + draw(st.binary(min_size=1, max_size=16)) + data[at:]
    return data
