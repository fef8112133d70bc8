"""Files that carry words about their origin, made for the tests by Pillow and by hand."""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from tests.support.pictures import encode, picture

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
WEB_UI = (
    "a leather bag on white\nNegative prompt: text\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model: sd15, Version: v1.9"
)
COMFY_RUN = json.dumps(
    {
        "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512}},
    }
)
COMFY_DRAWN = json.dumps({"last_node_id": 9, "nodes": [{"id": 3, "type": "KSampler"}], "links": []})


def png(texts: dict[str, str] | None = None, *, packed: bool = False, xmp: str = "", seed: int = 1) -> bytes:
    """A PNG with text chunks; Latin-1 texts become tEXt or zTXt, others iTXt."""
    info = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        info.add_text(key, text, zip=packed)
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp, zip=packed)
    return encode(picture(seed), "PNG", pnginfo=info)


def with_chunk(file: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return file[:33] + chunk + file[33:]


def chunks_of(file: bytes, kind: bytes) -> list[bytes]:
    """Bodies of a PNG's chunks of one kind."""
    found, position = [], 8
    while position < len(file):
        length = int.from_bytes(file[position : position + 4], "big")
        if file[position + 4 : position + 8] == kind:
            found.append(file[position + 8 : position + 8 + length])
        position += 12 + length
    return found


def exif(
    tags: dict[int, Any], exposure: dict[int, Any] | None = None, *, big_endian: bool = False
) -> Image.Exif:
    """EXIF by tag numbers: those of the picture, and those of the exposure."""
    block = Image.Exif()
    block.endian = ">" if big_endian else "<"
    block.update(tags)
    if exposure:
        block.get_ifd(0x8769).update(exposure)
    return block


def camera_exif(**more: Any) -> Image.Exif:
    """EXIF as a camera writes it."""
    tags = {0x010F: "Testar", 0x0110: "T-100", 0x0131: more.get("software", "T-100 firmware 1.2")}
    exposure = {
        0x829A: IFDRational(1, 125),
        0x829D: IFDRational(28, 10),
        0x8827: 200,
        0x920A: IFDRational(50, 1),
    }
    return exif(tags, exposure | {0x9003: "2024:05:06 07:08:09"})


def photo(fmt: str = "JPEG", seed: int = 1, **options: Any) -> bytes:
    """A photo-like file of any format with Pillow's own options for metadata."""
    return encode(picture(seed), fmt, **options)


def xmp(properties: str, attributes: str = "") -> str:
    """An XMP packet around RDF properties."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC}" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f"{attributes}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    )


def declared(term: str) -> str:
    """An XMP packet that declares a digital source type."""
    return xmp("", f'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{term}"')


def reencoded(file: bytes, fmt: str = "JPEG") -> bytes:
    """What is left of a file after a program that keeps pixels only."""
    with Image.open(BytesIO(file)) as image:
        bare = Image.new("RGB", image.size)
        bare.paste(image.convert("RGB"))
    return encode(bare, fmt)
