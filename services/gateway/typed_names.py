"""What was typed to search for somebody. Pure."""

import re
from typing import Final

_SPACES: Final = re.compile(r"[ \t\r\n]+")


def typed_name(text: str) -> str:
    """On one line. Other spaces stay as they are: a roster has 张　三 with an ideographic one."""
    return _SPACES.sub(" ", text).strip()


def may_be_name(text: str) -> bool:
    """A name may have characters that are not seen, as Persian ones do; none has what no database stores."""
    return bool(text) and "\x00" not in text
