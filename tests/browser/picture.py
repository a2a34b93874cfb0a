"""As much of PNG as it takes to see whether a picture shows anything."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def size_of(png: bytes) -> tuple[int, int]:
    (header,) = _chunks(png, b"IHDR")
    width, height = struct.unpack(">II", header[:8])
    return width, height


def different_lines(png: bytes) -> int:
    """Of one colour, all but the first are written alike."""
    pixels = zlib.decompress(b"".join(_chunks(png, b"IDAT")))
    _, height = size_of(png)
    length = len(pixels) // height
    return len({pixels[start : start + length] for start in range(0, len(pixels), length)})


def _chunks(png: bytes, kind: bytes) -> Iterator[bytes]:
    assert png.startswith(_SIGNATURE)
    at = len(_SIGNATURE)
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        if name == kind:
            yield png[at + 8 : at + 8 + length]
        at += length + 12  # its length, name and checksum too
