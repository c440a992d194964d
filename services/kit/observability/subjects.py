"""Whom a span is about, by an opaque key, and what came of it: what traces are searched by.

The key is an HMAC of the student number under the installation's secret, another one each month. It is on spans alone:
a trace that outlives its month, or that leaves the installation, is nobody's without the secret and the number.
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span

from schemas.student_ids import canonical_student_id

SUBJECT: Final = "lixiao.subject"
DEPARTMENT: Final = "lixiao.department"
ACT: Final = "lixiao.act"
OUTCOME: Final = "lixiao.outcome"

_DOMAIN: Final = b"lixiao trace subject v1"
_DIGITS: Final = 24
_process: dict[str, str] = {}


def configure(secret: str | None, *, department: str = "") -> None:
    """Of the process. `department`: whose process it is."""
    _process.clear()
    _process.update({"secret": secret or "", "department": department})


def subject_key(student_id: str) -> str | None:
    """Now, of a canonical number; None without a secret."""
    secret = _process.get("secret")
    return _key(secret, student_id, _month(datetime.now(UTC))) if secret else None


def searched_keys(secrets: Iterable[str], student_id: str, now: datetime) -> tuple[str, ...]:
    """What traces of this month and the last are found by, under each secret, the newest first."""
    months = _month(now), _month(now.astimezone(UTC).replace(day=1) - timedelta(days=1))
    return tuple(_key(secret, student_id, month) for secret in secrets for month in months)


def attributes(
    student_id: str | bytes | None, *, department: str = "", act: str = "", outcome: str = ""
) -> dict[str, str]:
    """Of a span. What is no student number, as the key of an alive mark, gives no subject."""
    number = student_id.decode("ascii", "replace") if isinstance(student_id, bytes) else student_id
    subject = subject_key(number) if number and canonical_student_id(number) == number else None
    known = {
        SUBJECT: subject,
        DEPARTMENT: department or _process.get("department", ""),
        ACT: act,
        OUTCOME: outcome,
    }
    return {name: value for name, value in known.items() if value}


def describe_current(student_id: str | None, *, act: str, outcome: str) -> None:
    """The span that is open, if any."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes(student_id, act=act, outcome=outcome))


def end(span: Span, outcome: str) -> None:
    span.set_attribute(OUTCOME, outcome)
    span.end()


def _month(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


@lru_cache(maxsize=4_096)
def _key(secret: str, student_id: str, month: str) -> str:
    message = b"\0".join((_DOMAIN, month.encode(), student_id.encode()))
    return hmac.digest(secret.encode(), message, hashlib.sha256).hex()[:_DIGITS]
