"""Spellings of values that a source may declare: money, school years, days without separators. Pure.

A text that may mean two things stays as it is, and is refused as everywhere.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Final

from services.kit.imports.files.kinds import FieldKind, spelled
from services.kit.rules.fields import EARLIEST_DAY, LATEST_DAY


class FormatName(StrEnum):
    MONEY = "money"
    SCHOOL_YEAR = "school-year"
    COMPACT_DAY = "compact-day"
    YEAR = "year"


_MONEY: Final = re.compile(
    r"(?:¥|人民币|RMB|CNY)?\s*(-?[0-9]{1,3}(?:,[0-9]{3})+|-?[0-9]+)(\.[0-9]{1,2})?\s*(?:元整?)?", re.I
)
_SCHOOL_YEAR: Final = re.compile(r"([0-9]{4})(?:\s*[-/~—–至]\s*([0-9]{4}))?\s*(?:学年度?|年度?)?")
_YEAR: Final = re.compile(r"([0-9]{4})\s*[届级年]?")
_COMPACT_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def money(text: str) -> str:
    """1234.50 for ￥1,234.50 and 1,234.50元. `72,40` and `1.234,50` may mean two amounts, `0.8万元` is another unit."""
    found = _MONEY.fullmatch(_folded(text))
    return found[1].replace(",", "") + (found[2] or "") if found else text


def school_year(text: str) -> str:
    """2025-2026 for 2025-2026学年, 2025 for 2025学年; a year and the one after it, and no term."""
    found = _SCHOOL_YEAR.fullmatch(_folded(text))
    if found is None or (found[2] and int(found[2]) != int(found[1]) + 1):
        return text
    return f"{found[1]}-{found[2]}" if found[2] else found[1]


def year(text: str) -> str:
    """2026 for 2026届, 2026级 and 2026年."""
    found = _YEAR.fullmatch(_folded(text))
    return found[1] if found else text


def compact_day(text: str) -> str:
    """2026-06-05 for 20260605."""
    found = _COMPACT_DAY.fullmatch(_folded(text))
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat() if found else text
    except ValueError:
        return text


def is_day(text: str) -> bool:
    """Whether it is a day of the years that exports are about, in a form that is read."""
    try:
        return EARLIEST_DAY <= date.fromisoformat(spelled(FieldKind.DAY, compact_day(text))) <= LATEST_DAY
    except ValueError:
        return False


FORMATS: Final[dict[FormatName, tuple[FieldKind, Callable[[str], str]]]] = {
    FormatName.MONEY: (FieldKind.MONEY, money),
    FormatName.SCHOOL_YEAR: (FieldKind.TEXT, school_year),
    FormatName.COMPACT_DAY: (FieldKind.DAY, compact_day),
    FormatName.YEAR: (FieldKind.TEXT, year),
}
"""The kind of field each is for, and its spelling in the import's own form."""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()
