"""How large a picture is: what is written into the page so that nothing jumps when the picture comes."""

import pytest

from services.gateway.image_size import size_of
from services.gateway.university import CONFIGURATIONS, PICTURES

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + bytes(40)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + len(body).to_bytes(4, "little") + body + bytes(16)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (PNG, (640, 480)),
        (webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + (585).to_bytes(2, "little") + b"\x33\x41"), (585, 307)),
        (webp(b"VP8L", b"\x2f" + (584 | 306 << 14).to_bytes(4, "little")), (585, 307)),
        (webp(b"VP8X", bytes(4) + (584).to_bytes(3, "little") + (306).to_bytes(3, "little")), (585, 307)),
    ],
    ids=["png", "lossy", "lossless", "extended"],
)
def test_the_size_is_read_from_the_first_bytes(body: bytes, size: tuple[int, int]) -> None:
    assert size_of(body) == size


@pytest.mark.parametrize("body", [b"", b"GIF89a", PNG[:20], webp(b"VP8 ", bytes(10)), webp(b"ALPH", b"")])
def test_what_is_no_picture_is_said(body: bytes) -> None:
    with pytest.raises(ValueError, match="no picture"):
        size_of(body)


def test_every_picture_of_a_manual_is_light() -> None:
    files = [path for folder in CONFIGURATIONS.glob(f"*/{PICTURES}") for path in folder.iterdir()]
    assert files
    assert {path.name: path.stat().st_size for path in files if path.stat().st_size > 25_000} == {}
