"""What clients did and what they were answered: each operation ended ok, failed or unknown.

The checker holds the tables against what a client was promised, and the client's word against the tables.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """The reply said that nothing was done."""
    UNKNOWN = "unknown"
    """No reply came: it may have been done."""


class Kind(StrEnum):
    DESK = "desk"
    """A change at a department's desk; `key` is its idempotency key."""
    ASK = "ask"
    """A student asked for something; the reply names the command."""
    DONE = "done"
    """A student was shown the end of the submission; the reply names form and attempt."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one client. `reply` is what it was on_done: ids and versions, by name. Times are monotonic."""

    kind: Kind
    student_id: str
    outcome: Outcome
    department: str = ""
    key: str = ""
    began_s: float = 0.0
    ended_s: float = 0.0
    reply: Mapping[str, Any] = field(default_factory=dict)


class History:
    """Collects operations as they end."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(
        self,
        kind: Kind,
        student_id: str,
        outcome: Outcome,
        *,
        began_s: float,
        department: str = "",
        key: str = "",
        reply: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down an operation that has just ended."""
        self.operations.append(
            Operation(kind, student_id, outcome, department, key, began_s, time.monotonic(), reply or {})
        )

    def count(self, outcome: Outcome) -> int:
        return sum(operation.outcome is outcome for operation in self.operations)
