"""The form's QR code: a link that a reader reads whole, with modules that a phone tells apart on paper."""

import re
import string

import pytest
import zxingcpp

from services.gateway.printing.qr_image import QUIET_MODULES, code, form_link, qr_inline, qr_svg
from services.gateway.printing.typst import TEMPLATES
from services.kit.receipts.qr import LINK_PREFIX, MAX_QR_CHARS, link_text
from tests.unit.gateway.certificates.test_verification import accepted

ORIGIN = "https://lixiao.example.edu.cn"
SMALLEST_MODULE_MM = 0.33
"""That phones and the desk's scanners read from office paper."""


def read(link: str) -> str:
    """What a reader of QR codes makes of it."""
    rows = [bytes(0 if dark else 255 for dark in row) for row in code(link).matrix_iter(scale=3, border=QUIET_MODULES)]
    picture = memoryview(b"".join(rows)).cast("B", (len(rows), len(rows[0])))
    (found,) = zxingcpp.read_barcodes(picture)
    text: str = found.text
    return text


def module_mm(link: str) -> float:
    (width,) = re.findall(r"image\(.*width: (\d+)mm", (TEMPLATES / "form.typ").read_text("utf-8"))
    return int(width) / (code(link).symbol_size(border=QUIET_MODULES)[0])


@pytest.mark.parametrize("rooms", [1, 30, 400], ids=["usual", "digests", "hundreds of rows"])
def test_a_reader_gets_the_link_to_the_public_check_with_the_signed_text(rooms: int) -> None:
    _, form = accepted(rooms)
    assert form.qr_text is not None
    link = form_link(ORIGIN, form.qr_text)
    assert link == f"{ORIGIN}/verify#{link_text(form.qr_text)}"
    assert read(link) == link
    assert module_mm(link) >= SMALLEST_MODULE_MM


def test_the_usual_form_is_hardly_denser_than_its_text_alone() -> None:
    _, form = accepted()
    assert form.qr_text is not None
    versions = [int(code(text).version) for text in (form.qr_text, form_link(ORIGIN, form.qr_text))]
    assert versions[1] <= versions[0] + 1
    assert module_mm(form_link(ORIGIN, form.qr_text)) >= 0.5


def test_the_longest_text_is_still_read_from_paper_under_a_long_address() -> None:
    characters = string.digits + string.ascii_uppercase + "$*-/:"
    longest = (characters * MAX_QR_CHARS)[: MAX_QR_CHARS - len(LINK_PREFIX)]
    link = f"https://{'departure.' * 6}example.edu.cn:8443/verify#{LINK_PREFIX}{longest}"
    assert read(link) == link
    assert module_mm(link) >= SMALLEST_MODULE_MM


def test_without_a_text_there_is_no_code() -> None:
    assert (form_link(ORIGIN, ""), qr_svg(""), qr_inline("")) == ("", "", "")
