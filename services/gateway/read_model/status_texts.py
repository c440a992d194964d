"""The text of a department's status into a status: what its model reads, at a fraction of the cost.

Of a new status mostly the version and the instant are new, so what it says of the checks is kept by its text, for all
students. Of a text as our encoder writes it (schemas/codec.py) only the beginning is read, and the rest is looked up;
any other text goes through the model. Both read the same: a property test.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

from schemas.events import Checks, Message, Reason, StatusChanged, Version
from schemas.student_ids import is_canonical_student_id
from schemas.types import NAME_PATTERN, Instant
from services.gateway.read_model.types import KnownStatus, known_status

_KEPT: Final = 2_000
"""Up to 15 kB each, with the text. Most say that all is clear, in a few hundred texts."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,9}")
_is_name: Final = lru_cache(1_000)(re.compile(NAME_PATTERN[1:-1]).fullmatch)
_instant: TypeAdapter[datetime] = TypeAdapter(Instant)
_version: TypeAdapter[int] = TypeAdapter(Version)


class _Content(Message):
    """All of a status but whose it is, its version and its instant."""

    model_config = ConfigDict(extra="forbid")

    cause: Reason
    checks: Checks


class StatusParts(NamedTuple):
    """`content`: the text of the cause and the checks, which is valid."""

    version: int
    occurred_at: datetime
    content: str


def read_status(text: str, student_id: str, department: str) -> KnownStatus | None:
    """None if undecodable. `student_id`, `department`: of the row that has the text."""
    parts = parts_of(text, student_id, department)
    known = _content(parts.content) if parts is not None else None
    if parts is not None and known is not None:
        return KnownStatus(student_id, department, parts.version, parts.occurred_at, known.cause, known.checks)
    try:
        return known_status(StatusChanged.model_validate_json(text))
    except ValidationError:
        return None


def parts_of(text: str, student_id: str, department: str) -> StatusParts | None:
    """None for a text that is written in another way, or invalid."""
    head = f'{{"student_id":"{student_id}","department":"{department}","version":'
    if not text.startswith(head) or not is_canonical_student_id(student_id) or not _is_name(department):
        return None
    number, _, rest = text[len(head) :].partition(',"occurred_at":"')
    at, _, content = rest.partition('","cause":')
    if _content(content) is None or not _NUMBER.fullmatch(number):
        return None
    try:
        return StatusParts(_version.validate_python(int(number)), _instant.validate_python(at), content)
    except ValidationError:
        return None


@lru_cache(_KEPT)
def _content(text: str) -> _Content | None:
    try:
        return _Content.model_validate_json('{"cause":' + text)
    except ValidationError:
        return None
