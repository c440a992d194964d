"""Where the trace of a status goes on, from the clearance, which has stored it, to the gateway, which shows it.

Texts of notifications in PostgreSQL, which anybody connected to the database may listen to: they name a student by the
opaque key of traces alone. A lost one costs a span and nothing else.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_MAX_BYTES: Final = 7_500
"""PostgreSQL takes less than 8,000."""


class TracedStatus(NamedTuple):
    """`traceparent`: of the span that stored it."""

    subject: str
    department: str
    version: int
    traceparent: str


def notices_of(statuses: Iterable[TracedStatus]) -> list[str]:
    """As few as hold them all."""
    notices: list[str] = []
    lines: list[str] = []
    size = 0
    for status in statuses:
        line = json.dumps(status, separators=(",", ":"))
        if lines and size + len(line) + 1 > _MAX_BYTES:
            notices.append("\n".join(lines))
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        notices.append("\n".join(lines))
    return notices


def is_notice(text: str) -> bool:
    """Among the other notifications of the channel."""
    return text.startswith("[")


def read_notice(text: str) -> Iterator[TracedStatus]:
    """What is none is left out: another version may say more."""
    for line in text.splitlines():
        try:
            subject, department, version, traceparent = json.loads(line)
            yield TracedStatus(str(subject), str(department), int(version), str(traceparent))
        except (ValueError, TypeError):
            continue
