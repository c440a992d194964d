"""The size of pictures, for which a page keeps room. Pure."""

import io
from typing import Final, NamedTuple

import imagesize

NAME: Final = r"^[a-z0-9][a-z0-9-]*\.(webp|png)$"
"""Without folders: no way out of the one they are in."""


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


def size_of(body: bytes) -> Size:
    """Raises `ValueError`."""
    width, height = imagesize.get(io.BytesIO(body))
    if body[8:16] == b"WEBPVP8 ":
        # Fourteen bits each; imagesize 2.0.1 takes the two above them, a scale that browsers ignore, for size.
        width, height = width & 0x3FFF, height & 0x3FFF
    if min(width, height) < 1:
        raise ValueError("this is no picture, or a broken one")
    return Size(width, height)
