"""Simulates desk staff at a given pace.

It keeps no state between operations, so restarts and real people do not disturb it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any, Final
from uuid import uuid4

import httpx

from deploy.demo.desk_simulation import DESKS, Call, Conditions, next_call
from deploy.local.http_clients import local_blocking_client
from deploy.local.running_services import RunningServices

TIMEOUT_S: Final = 5.0
MAX_LOOKUPS: Final = 5
"""For one operation: late in a season most records are clear."""
MAX_CATCH_UP: Final = 20
MAX_PACE: Final = 50.0


@dataclass
class Tally:
    """`refused`: against a department's rules. `failed`: no answer, or a 5xx."""

    done: int = 0
    refused: int = 0
    failed: int = 0
    last: str = ""
    why: str = ""
    """Of the newest failure."""

    def __str__(self) -> str:
        failed = f"{self.failed} failed ({self.why})" if self.failed else "0 failed"
        return f"{self.done} operations, {self.refused} refused, {failed}; last: {self.last or 'none'}"

    def fail(self, department: str, what: str, error: httpx.HTTPError | httpx.Response) -> None:
        self.failed += 1
        why = str(error.status_code) if isinstance(error, httpx.Response) else type(error).__name__
        self.why = f"{department} {what}: {why}"


class Simulator:
    """`pace`: operations a second."""

    def __init__(
        self,
        services: RunningServices,
        student_ids: Sequence[str],
        *,
        pace: float,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError for a pace outside 0 to `MAX_PACE`."""
        if not 0 < pace <= MAX_PACE:
            raise ValueError(f"the pace is more than 0 and at most {MAX_PACE:g} operations a second")
        self.tally = Tally()
        self.closed: frozenset[str] = frozenset()
        """Desks, by name, that do nothing at present."""
        self._student_ids = student_ids
        self._pace = pace
        self._random = Random(seed)
        self._clock = clock
        self._due_at_s = clock()
        self._desks = {
            name: local_blocking_client(
                services.address(name),
                headers={"Authorization": f"Bearer {services.accounts.token(name)}"},
                timeout=TIMEOUT_S,
            )
            for name in services.departments
            if name in DESKS
        }

    def close(self) -> None:
        for client in self._desks.values():
            client.close()

    def run_due(self) -> None:
        """At most `MAX_CATCH_UP` operations; none is made up for after a pause."""
        for _ in range(MAX_CATCH_UP):
            now_s = self._clock()
            if now_s < self._due_at_s:
                return
            self._due_at_s = max(self._due_at_s, now_s - 1) + 1 / self._pace
            self.step()

    def step(self) -> None:
        desks = [name for name in self._desks if name not in self.closed]
        if not desks or not self._student_ids:
            return
        for lookup in range(1, MAX_LOOKUPS + 1):
            department = self._random.choice(desks)
            student_id = self._random.choice(self._student_ids)
            record = self._look_up(department, student_id)
            conditions = Conditions(date.today(), self._random, uuid4().hex[:10])
            call = record and next_call(department, record, conditions, even_if_clear=lookup == MAX_LOOKUPS)
            if call:
                self._send(department, student_id, call)
                return

    def _look_up(self, department: str, student_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self._desks[department].post("/records/query", json={"student_id": student_id})
        except httpx.HTTPError as error:
            self.tally.fail(department, "query", error)
            return None
        if answer.is_success:
            return dict(answer.json()["record"])
        self.tally.fail(department, "query", answer)
        return None

    def _send(self, department: str, student_id: str, call: Call) -> None:
        self.tally.last = f"{department} {call.operation}"  # without the student: it is printed
        try:
            answer = self._desks[department].post(
                f"/operations/{call.operation}",
                json={"student_id": student_id, **call.body},
                headers={"Idempotency-Key": str(uuid4())},
            )
        except httpx.HTTPError as error:
            self.tally.fail(department, call.operation, error)
            return
        if answer.is_success:
            self.tally.done += 1
        elif answer.is_client_error:
            self.tally.refused += 1
        else:
            self.tally.fail(department, call.operation, answer)
