"""An XMP packet in, the properties that tell of a picture's origin out.

The packet is read as a stream, so that no tree of it is ever held; a document type, entities, too deep or too
many elements end the reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import ParseError  # only the error's type; the parser is defusedxml's

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

_MAX_DEPTH = 64
_MAX_ELEMENTS = 20_000
_MAX_VALUES = 32
_MAX_TEXT = 2 * 2**20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
_WANTED = {
    f"{_IPTC}DigitalSourceType": "DigitalSourceType",
    f"{_IPTC}DigitalSourceFileType": "DigitalSourceType",  # an older name that is still written
    f"{_IPTC}AISystemUsed": "AISystemUsed",
    "{http://ns.adobe.com/xap/1.0/}CreatorTool": "CreatorTool",
    f"{_EVENT}softwareAgent": "softwareAgent",
    "{http://ns.adobe.com/photoshop/1.0/}Credit": "Credit",
    "{http://ns.adobe.com/exif/1.0/}UserComment": "UserComment",
    "{http://purl.org/dc/elements/1.1/}description": "description",
    "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC": "AIGC",
}

Properties = dict[str, list[str]]


class _TooMuchError(ValueError):
    """More than any honest packet holds."""


class _Collector:
    """What the parser calls; keeps wanted values only."""

    def __init__(self) -> None:
        self.found: Properties = {}
        self._open: list[tuple[str | None, list[str]]] = []
        self._elements = 0
        self._text = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take the attributes: RDF may write a property as one."""
        self._elements += 1
        if len(self._open) >= _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise _TooMuchError
        # What stands in a container of RDF (Alt, Bag, Seq, li) belongs to the property around it.
        inside = self._open[-1][0] if self._open else None
        name = _WANTED.get(tag, inside if tag.startswith(_RDF) and not tag.endswith("}Description") else None)
        self._open.append((name, []))
        for key, value in attributes.items():
            if key in _WANTED:
                self._keep(_WANTED[key], value)
            elif key == f"{_RDF}resource" and name:
                self._keep(name, value)

    def data(self, text: str) -> None:
        """Take text; the parser may hand one text over in pieces."""
        if self._open and self._open[-1][0]:
            self._text += len(text)
            if self._text > _MAX_TEXT:
                raise _TooMuchError
            self._open[-1][1].append(text)

    def end(self, _: str) -> None:
        """Leave an element and keep its text."""
        name, pieces = self._open.pop()
        if name:
            self._keep(name, "".join(pieces))

    def _keep(self, name: str, value: str) -> None:
        values = self.found.setdefault(name, [])
        text = value.strip()
        if text and text not in values and len(values) < _MAX_VALUES:
            values.append(text)


def read_xmp(packet: bytes) -> Properties:
    """Read the properties of origin.

    Args:
        packet: An XMP packet of any origin.

    Returns:
        Values by property name, as in `_WANTED`; those before a damage are kept. Never raises.
    """
    collector = _Collector()
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    try:
        parser.feed(packet.strip(b"\0 \r\n\t"))
        parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        # Damaged, hostile or of an unknown encoding: what was read before still stands in the file.
        pass
    return {name: values for name, values in collector.found.items() if values}
