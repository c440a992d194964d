"""Dates, times, money and telephone numbers in each language. Pure: no clock, no locale."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

import msgspec
from babel.dates import format_date, format_skeleton

from services.kit.message_format import LOCALES, Language

_YESTERDAY: Final[dict[Language, str]] = {"zh": "昨天", "en": "yesterday"}
_PHONE: Final = re.compile(r"(?:0\d{2,3}-)?\d{7,8}")
CENT: Final = Decimal("0.01")


class LocalTime(msgspec.Struct, frozen=True):
    words: str
    exact: str
    iso: str


@dataclass(frozen=True, slots=True)
class PhonePart:
    """`dial` is empty for a piece that is no number."""

    text: str
    dial: str = ""


def format_money(amount: object) -> str:
    """`682.4` → `682.40`, ungrouped; else the text."""
    try:
        value = Decimal(str(amount))
        return f"{value.quantize(CENT):f}" if value.is_finite() else str(amount)
    except InvalidOperation:
        return str(amount)


@lru_cache(maxsize=2_000)
def long_date(day: date, language: Language) -> str:
    """`2026年6月8日`, `8 June 2026`."""
    return format_date(day, "long", LOCALES[language])


@lru_cache(maxsize=2_000)
def _day_and_month(day: date, language: Language) -> str:
    """`6月8日`, `8 June`."""
    return format_skeleton("MMMMd", day, locale=LOCALES[language])


def local_day(at: datetime, offset_minutes: int) -> date:
    """On campus."""
    return at.astimezone(campus_zone(offset_minutes)).date()


def long_date_or_text(text: str, language: Language) -> str:
    """An ISO date, else the text."""
    try:
        return long_date(date.fromisoformat(text[:10]), language)
    except ValueError:
        return text


def local_time(at: datetime, *, now: datetime, offset_minutes: int, language: Language) -> LocalTime:
    """Today's time alone, an earlier day with its date."""
    return time_on_campus(at, local_day(now, offset_minutes), offset_minutes, language)


def time_on_campus(at: datetime, today: date, offset_minutes: int, language: Language) -> LocalTime:
    """By days that are kept, without `strftime`: a page has several, and each student's are others."""
    local = at.astimezone(campus_zone(offset_minutes))
    near, exact = _day_words(local.date(), today, language)
    clock = f"{local.hour:02}:{local.minute:02}"
    return LocalTime(near + clock, f"{exact}{clock}:{local.second:02}", at.isoformat(timespec="seconds"))


@lru_cache(maxsize=2_000)
def _day_words(day: date, today: date, language: Language) -> tuple[str, str]:
    """What comes before the time: as near as it is, and exactly."""
    exact = f"{long_date(day, language)} "
    if day == today:
        return "", exact
    if day == today - timedelta(days=1):
        return f"{_YESTERDAY[language]} ", exact
    return f"{_day_and_month(day, language)} " if day.year == today.year else exact, exact


@lru_cache
def campus_zone(offset_minutes: int) -> timezone:
    return timezone(timedelta(minutes=offset_minutes))


@lru_cache(maxsize=2_000)
def phone_parts(text: str, area_code: str) -> tuple[PhonePart, ...]:
    parts: list[PhonePart] = []
    end = 0
    for match in _PHONE.finditer(text):
        if match.start() > end:
            parts.append(PhonePart(text[end : match.start()]))
        number = match.group().replace("-", "")
        dial = number if number.startswith("0") and "-" in match.group() else f"{area_code}{number}"
        parts.append(PhonePart(match.group(), dial))
        end = match.end()
    if end < len(text):
        parts.append(PhonePart(text[end:]))
    return tuple(parts)
