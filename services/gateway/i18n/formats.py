"""How dates, instants, money and sentences are written in each language. Pure: no clock, no locale of the machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_MONTHS: Final = tuple(
    "January February March April May June July August September October November December".split(" ")  # noqa: SIM905
)
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_PHONE: Final = re.compile(r"(?:0\d{2,3}-)?\d{7,8}")
CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class LocalTime:
    """An instant for a page: short words, the exact words on demand, and the machine's form."""

    words: str
    exact: str
    iso: str


@dataclass(frozen=True, slots=True)
class PhonePart:
    """A piece of a text: `dial` is what a telephone dials, empty when the piece is not a number."""

    text: str
    dial: str = ""


def fill(template: str, parameters: Mapping[str, str | int]) -> str:
    """`template` with its `{name}` places filled; a place without a value stays visible as an ellipsis.

    Not `str.format`: what a department sends must never reach attributes or indexes.
    """
    return _PLACE.sub(lambda place: str(parameters.get(place.group(1), "…")), template)


def money_words(amount: object) -> str:
    """An exact decimal with two places, `682.4` → `682.40`. What is no decimal is shown as it came."""
    try:
        value = Decimal(str(amount))
        return f"{value.quantize(CENT):f}" if value.is_finite() else str(amount)
    except InvalidOperation:
        return str(amount)


def date_words(day: date, language: Language) -> str:
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def local_day(at: datetime, offset_minutes: int) -> date:
    """The day of `at` on campus."""
    return at.astimezone(timezone(timedelta(minutes=offset_minutes))).date()


def date_text_words(text: str, language: Language) -> str:
    """The words of an ISO date inside facts. What is no date is shown as it came."""
    try:
        return date_words(date.fromisoformat(text[:10]), language)
    except ValueError:
        return text


def local_time(at: datetime, *, now: datetime, offset_minutes: int, language: Language) -> LocalTime:
    """`at` as people on campus say it: the time today, the day and the time before that."""
    zone = timezone(timedelta(minutes=offset_minutes))
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local:%H:%M}"
    if local.date() == today:
        words = clock
    elif local.date() == today - timedelta(days=1):
        words = f"昨天 {clock}" if language == "zh" else f"yesterday {clock}"
    elif local.year == today.year and language == "zh":
        words = f"{local.month}月{local.day}日 {clock}"
    elif local.year == today.year:
        words = f"{local.day} {_MONTHS[local.month - 1]} {clock}"
    else:
        words = f"{date_words(local.date(), language)} {clock}"
    exact = f"{date_words(local.date(), language)} {local:%H:%M:%S} (UTC{local:%z})"
    return LocalTime(words, exact, at.isoformat(timespec="seconds"))


def phone_parts(text: str, area_code: str) -> tuple[PhonePart, ...]:
    """`text` cut at its telephone numbers, so that a page can make each a link."""
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
