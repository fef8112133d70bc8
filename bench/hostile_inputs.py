"""Hostile uploads, made by a seed: each is a whole request body with its headers and the name of its kind."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image, PngImagePlugin

from bench.load import BOUNDARY
from bench.photos import procedural_photo

Rng = random.Random


@dataclass(frozen=True)
class Hostile:
    """One upload.

    Attributes:
        kind: What is wrong with it.
        body: Of the request.
        content_type: Its header.
        headers: Others that it sends.
    """

    kind: str
    body: bytes
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}"
    headers: tuple[tuple[str, str], ...] = ()


def form(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg", field: str = "file") -> bytes:
    """A form with one file whose name and declared type are anything."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    head += f"Content-Type: {kind}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + data + f"\r\n--{BOUNDARY}--\r\n".encode()


@cache
def _photo(seed: int) -> bytes:
    return procedural_photo(320, 240, seed=seed)


@cache
def _encoded(fmt: str, seed: int) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(_photo(seed))).save(file, fmt)
    return file.getvalue()


def _valid(rng: Rng) -> bytes:
    fmt = rng.choice(("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"))
    return _photo(rng.randrange(4)) if fmt == "JPEG" else _encoded(fmt, rng.randrange(2))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def _blank_png(width: int, height: int) -> bytes:
    """A PNG of zeros: a small file that says to be a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(1)
    # One that is over every limit is refused by its header: its pixels need not be there.
    rows = height if width * height <= 60_000_000 else min(height, 100)
    data = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _with_segment(photo: bytes, marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment behind its first two bytes."""
    return photo[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + photo[2:]


def _bomb(rng: Rng) -> Hostile:
    width, height = rng.choice(
        ((7000, 7000), (20_000, 3000), (30_000, 30_000), (65_000, 100), (100_000, 100_000))
    )
    return Hostile("bomb", form(_blank_png(width, height)))


def _jpeg_bomb(rng: Rng) -> Hostile:
    photo = bytearray(_photo(rng.randrange(4)))
    at = photo.find(b"\xff\xc0")
    photo[at + 5 : at + 9] = struct.pack(
        ">HH", rng.choice((60_000, 20_000, 7_000)), rng.choice((60_000, 8_000))
    )
    return Hostile("jpeg_bomb", form(bytes(photo)))


def _text_bomb(rng: Rng) -> Hostile:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "0" * rng.choice((1 << 20, 8 << 20)), zip=True)
    file = io.BytesIO()
    Image.open(io.BytesIO(_photo(0))).save(file, "PNG", pnginfo=info)
    return Hostile("text_bomb", form(file.getvalue()))


def _polyglot(rng: Rng) -> Hostile:
    tail = rng.choice(
        (b"PK\x03\x04" + rng.randbytes(200), b"<script>alert(1)</script>", b"%PDF-1.7\n", b"MZ\x90\0")
    )
    photo = _valid(rng)
    return Hostile("polyglot", form(rng.choice((photo + tail, tail + photo, tail + photo + tail))))


def _truncated(rng: Rng) -> Hostile:
    photo = _valid(rng)
    return Hostile("truncated", form(photo[: rng.randrange(1, len(photo))]))


def _flipped(rng: Rng) -> Hostile:
    photo = bytearray(_valid(rng))
    for _ in range(rng.randrange(1, 30)):
        photo[int(rng.random() ** 2 * len(photo))] ^= 1 << rng.randrange(8)
    return Hostile("flipped", form(bytes(photo)))


def _noise(rng: Rng) -> Hostile:
    magic = rng.choice(
        (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"II*\0", b"BM")
    )
    return Hostile("noise", form(magic + rng.randbytes(rng.randrange(1, 20_000))))


def _huge_header(rng: Rng) -> Hostile:
    photo = _photo(rng.randrange(4))
    for _ in range(rng.choice((1, 20, 60))):
        photo = _with_segment(photo, rng.choice((0xE1, 0xE2, 0xED, 0xFE)), rng.randbytes(65_000))
    return Hostile("huge_header", form(photo))


def _deep_xmp(rng: Rng) -> Hostile:
    depth = rng.choice((100, 1_000, 2_500))
    tag = rng.choice(("rdf:Description", "a", "rdf:li"))
    xml = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{f'<{tag}>' * depth}{f'</{tag}>' * depth}</x:xmpmeta>"
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xml.encode()
    return Hostile("deep_xmp", form(_with_segment(_photo(rng.randrange(4)), 0xE1, packet[:65_000])))


def _entities(rng: Rng) -> Hostile:
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, rng.randrange(5, 12)))
    xml = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{lines}]><x>&l4;</x>'
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xml.encode()
    return Hostile("xml_entities", form(_with_segment(_photo(rng.randrange(4)), 0xE1, packet)))


def _path_name(rng: Rng) -> Hostile:
    name = rng.choice(
        ("../../etc/passwd", "C:\\\\windows\\\\x", "a" * 3000, "%00.jpg", "\u202egpj.exe", "x\0.jpg", "'; --")
    )
    return Hostile("path_name", form(_photo(rng.randrange(4)), name))


def _empty(rng: Rng) -> Hostile:
    return Hostile("empty", rng.choice((form(b""), b"", f"--{BOUNDARY}--\r\n".encode(), form(b"\0"))))


def _wrong_type(rng: Rng) -> Hostile:
    data = rng.choice(
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"#!/bin/sh\n", b"%PDF-1.4", b"{}", b"ID3\4")
    )
    return Hostile(
        "wrong_type", form(data * rng.randrange(1, 50), kind=rng.choice(("image/png", "text/html", "x")))
    )


def _wrong_form(rng: Rng) -> Hostile:
    body = form(_photo(0), field=rng.choice(("file", "photo", "", "file\0", "[]")))
    cut = body[: rng.randrange(len(body))]
    content_type = rng.choice(
        ("application/json", "multipart/form-data", "multipart/form-data; boundary=", "image/jpeg",
         f"multipart/form-data; boundary={'b' * 300}", f"multipart/form-data; boundary={BOUNDARY}")
    )  # fmt: skip
    return Hostile("wrong_form", rng.choice((body, cut)), content_type)


def _many_parts(rng: Rng) -> Hostile:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="p{{}}"\r\n\r\nx\r\n'
    parts = "".join(part.format(n) for n in range(rng.choice((5, 50, 2_000))))
    return Hostile("many_parts", parts.encode() + form(_photo(0)))


def _odd_headers(rng: Rng) -> Hostile:
    headers = (
        ("X-Request-ID", rng.choice(("a" * 500, "<script>", "../..", ""))),
        ("Idempotency-Key", rng.choice(("k" * 300, "a b", "ok-key"))),
        ("X-Forwarded-For", rng.choice(("not an address", "127.0.0.1, " * 50 + "::1"))),
    )
    return Hostile("odd_headers", form(_photo(rng.randrange(4))), headers=headers)


MAKERS: tuple[Callable[[Rng], Hostile], ...] = (
    _bomb, _jpeg_bomb, _text_bomb, _polyglot, _truncated, _flipped, _noise, _huge_header, _deep_xmp,
    _entities, _path_name, _empty, _wrong_type, _wrong_form, _many_parts, _odd_headers,
)  # fmt: skip


def hostile(seed: int) -> Hostile:
    """Make the upload of a seed: same seed, same bytes. The kinds take turns."""
    rng = random.Random(seed)  # noqa: S311 - nothing to guess
    return MAKERS[seed % len(MAKERS)](rng)
