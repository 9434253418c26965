"""What a PDF of Chromium's says: its pages and their text, read with the standard library.

Only what Skia writes is understood: objects in plain sight, streams deflated, fonts whose glyphs a
`ToUnicode` map names, and names of fonts that are the numbers of their objects.
"""

from __future__ import annotations

import re
import unicodedata
import zlib


def pages(data: bytes) -> int:
    """How many sheets it takes."""
    return len(re.findall(rb"/Type /Page\b", data))


def text(data: bytes) -> str:
    """All text in the order in which it is painted, without white space and ligatures."""
    streams: dict[str, bytes] = {}
    maps: dict[str, str] = {}
    for number, body in re.findall(rb"(?s)(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", data):
        found = re.match(rb"(?s)(.*?)>> stream\n(.*)\nendstream", body)
        if found and b"/FlateDecode" in found[1]:
            streams[number.decode()] = zlib.decompressobj().decompress(found[2])
        named = re.search(rb"/ToUnicode (\d+) 0 R", body)
        if named:
            maps[number.decode()] = named[1].decode()
    glyphs = {font: _glyphs(streams[stream].decode("latin-1")) for font, stream in maps.items()}
    said = ""
    for stream in streams.values():
        font: dict[int, str] = {}
        for name, string in re.findall(rb"/F(\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>", stream):
            if name:
                font = glyphs.get(name.decode(), {})
            elif font:
                codes = (int(string[i : i + 4], 16) for i in range(0, len(string), 4))
                said += "".join(font.get(code, "\ufffd") for code in codes)
    return plain(said)


def plain(said: str) -> str:
    """A text as `text` gives it."""
    return "".join(unicodedata.normalize("NFKC", said).split())


def _glyphs(cmap: str) -> dict[int, str]:
    """Character of each glyph of a font."""
    found: dict[int, str] = {}
    for block in re.findall(r"(?s)beginbfchar(.*?)endbfchar", cmap):
        for glyph, letters in re.findall(r"<(\w+)> <(\w+)>", block):
            found[int(glyph, 16)] = bytes.fromhex(letters).decode("utf-16-be")
    for block in re.findall(r"(?s)beginbfrange(.*?)endbfrange", cmap):
        for low, high, first in re.findall(r"<(\w+)> <(\w+)> <(\w+)>", block):
            for offset in range(int(high, 16) - int(low, 16) + 1):
                found[int(low, 16) + offset] = chr(int(first, 16) + offset)
    return found
