"""The hours of the night in which nothing is sent. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

_FORM: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` until before `end`, the next day's if it is earlier. Equal ones are no hours."""

    begin: time
    end: time

    @classmethod
    def of(cls, text: str) -> "QuietHours | None":
        """`22:00-07:00`; None for an empty text. Raises `ValueError`."""
        if not text:
            return None
        if not (found := _FORM.fullmatch(text)):
            raise ValueError("quiet hours are written like 22:00-07:00")
        hours = tuple(map(int, found.groups()))
        return cls(time(hours[0], hours[1]), time(hours[2], hours[3]))

    def include(self, local: datetime) -> bool:
        """`local`: in the university's zone."""
        now = local.time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end
