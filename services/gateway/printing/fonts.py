"""The form's fonts, from packages alone."""

from functools import cache
from pathlib import Path
from typing import Final

import manimgx_fonts
import noto_cjk_sans_otc
import typst
from fontTools.ttLib import TTFont

FAMILIES: Final = (
    "Noto Sans CJK SC",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Thai",
    "Noto Sans Devanagari",
    "Noto Sans Armenian",
    "Noto Sans Bengali",
    "Noto Sans Ethiopic",
    "Noto Sans Georgian",
    "Noto Sans Gujarati",
    "Noto Sans Gurmukhi",
    "Noto Sans Hebrew",
    "Noto Sans Kannada",
    "Noto Sans Khmer",
    "Noto Sans Lao",
    "Noto Sans Malayalam",
    "Noto Sans Myanmar",
    "Noto Sans Oriya",
    "Noto Sans Sinhala",
    "Noto Sans Tamil",
    "Noto Sans Telugu",
    "Noto Sans Symbols",
    "Noto Emoji",
)
"""All that a form can print, in the order of preference."""
_PACKAGES: Final = (noto_cjk_sans_otc, manimgx_fonts)
_GLYPH_IDS: Final = 65_536


@cache
def load() -> typst.Fonts:
    folders = [str(Path(str(package.__file__)).parent) for package in _PACKAGES]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


@cache
def characters() -> frozenset[int]:
    """Code points with a glyph. Takes 0.1 s, once a process."""
    # Numbers for glyph names, which nothing reads: reading the CJK font's takes longer than the rest.
    names = [str(glyph) for glyph in range(_GLYPH_IDS)]
    covered: set[int] = set()
    for font in load().fonts():
        if font.family in FAMILIES and font.style == "normal" and font.path is not None:
            with TTFont(font.path, fontNumber=font.index, lazy=True) as opened:
                opened.setGlyphOrder(names)
                covered.update(opened.getBestCmap() or ())
    return frozenset(covered)
