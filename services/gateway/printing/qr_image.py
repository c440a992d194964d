"""A form's QR code: a link to the public check, with what was signed behind its `#`, which reaches no server's log.

A phone's camera opens the link; the desk's scanner reads the signed text in it.
"""

import io
from typing import Final

import segno
from markupsafe import Markup

from services.kit.receipts.qr import link_text

CHECK_PATH: Final = "/verify"
QUIET_MODULES: Final = 4
"""White around the code, on each side."""


def form_link(origin: str, qr_text: str) -> str:
    """`qr_text`: as the form was signed; no link without."""
    return f"{origin}{CHECK_PATH}#{link_text(qr_text)}" if qr_text else ""


def qr_svg(link: str) -> str:
    """A file."""
    if not link:
        return ""
    drawn = io.BytesIO()
    code(link).save(drawn, kind="svg", border=QUIET_MODULES, light="white")
    return drawn.getvalue().decode()


def qr_inline(link: str) -> Markup | str:
    """For a page."""
    if not link:
        return ""
    return Markup(code(link).svg_inline(omitsize=True, border=QUIET_MODULES, svgclass=None, lineclass=None))


def code(link: str) -> segno.QRCode:
    """Level L, unboosted: a form is long, and paper wants large modules.

    The address in bytes, the signed text in the alphanumeric mode, which takes two thirds of their room.
    """
    address, mark, signed = link.partition("#")
    # A list makes a segment of each; the stub knows single texts only.
    parts = [address + mark, *([signed] if signed else [])]
    return segno.make(parts, error="l", boost_error=False, micro=False)  # type: ignore[arg-type]
