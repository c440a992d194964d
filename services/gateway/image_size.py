"""How large a picture is, read from its first bytes: a page that says so keeps its place while the picture comes. Pure.

WebP and PNG only: what browsers show and `make screenshots` makes.
"""

from typing import Final, NamedTuple

NAME: Final = r"^[a-z0-9][a-z0-9-]*\.(webp|png)$"
"""File names of pictures: one folder, no way out of it."""


class Size(NamedTuple):
    """In pixels of the file."""

    width: int
    height: int


def size_of(body: bytes) -> Size:
    """The size of a WebP (lossy, lossless or extended) or PNG. Raises `ValueError` for anything else."""
    if body[:8] == b"\x89PNG\r\n\x1a\n" and len(body) >= 24:
        return Size(int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big"))
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP" and len(body) >= 30:
        kind = body[12:16]
        if kind == b"VP8X":
            return Size(1 + int.from_bytes(body[24:27], "little"), 1 + int.from_bytes(body[27:30], "little"))
        if kind == b"VP8 " and body[23:26] == b"\x9d\x01\x2a":
            # Fourteen bits each; the two above them are a scale no browser heeds.
            return Size(int.from_bytes(body[26:28], "little") & 0x3FFF, int.from_bytes(body[28:30], "little") & 0x3FFF)
        if kind == b"VP8L" and body[20] == 0x2F:
            bits = int.from_bytes(body[21:25], "little")
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise ValueError("this is neither a WebP nor a PNG picture")
