"""The glyphs that a PDF's pages draw. Glyph 0 is what a font draws for a character that it lacks: a box."""

import io
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pdfminer.pdfdevice import PDFTextDevice
from pdfminer.pdffont import PDFFont, PDFUnicodeNotDefined
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage


@dataclass
class Drawn:
    """Font → glyph ids in drawing order, and the text that the PDF gives for them: of a font's map or an ActualText."""

    glyphs: dict[str, list[int]] = field(default_factory=dict)
    text: str = ""

    @property
    def boxes(self) -> int:
        return sum(glyphs.count(0) for glyphs in self.glyphs.values())


class _Device(PDFTextDevice):
    def __init__(self) -> None:
        super().__init__(PDFResourceManager())
        self.drawn = Drawn()

    def begin_tag(self, tag: Any, props: Any = None) -> None:
        if isinstance(props, dict) and isinstance(actual := props.get("ActualText"), bytes):
            self.drawn.text += actual.decode("utf-16")

    def render_char(
        self, matrix: Any, font: PDFFont, fontsize: float, scaling: float, rise: float, cid: int, ncs: Any, graphic: Any
    ) -> float:
        self.drawn.glyphs.setdefault(str(font.fontname).rpartition("+")[2], []).append(cid)
        with suppress(PDFUnicodeNotDefined):  # its text is an ActualText, or it has none
            self.drawn.text += font.to_unichr(cid)
        return font.char_width(cid) * fontsize * scaling


def drawn_in(pdf: bytes) -> Drawn:
    device = _Device()
    interpreter = PDFPageInterpreter(device.rsrcmgr, device)
    for page in PDFPage.get_pages(io.BytesIO(pdf)):
        interpreter.process_page(page)
    return device.drawn
