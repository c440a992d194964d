"""Lives a graduation season at the departments' desks: looks a student up, does what is next, at a pace one can watch.

It keeps nothing in mind between two acts, so it goes on after a restart of anything, beside people who act too.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any, Final
from uuid import uuid4

import httpx

from deploy.demo.desk_simulation import DESKS, Act, Moment, next_act
from deploy.local.credentials import Accounts

TIMEOUT_S: Final = 5.0
LOOKS: Final = 5
"""Records looked at for one act, at most: late in a season most are clear."""
ACTS_IN_ONE_TURN: Final = 20
FASTEST: Final = 50.0


@dataclass
class Tally:
    """What the player did so far. `refused` were against a department's rules, `failed` were not answered."""

    done: int = 0
    refused: int = 0
    failed: int = 0
    last: str = ""

    def __str__(self) -> str:
        return f"{self.done} acts at the desks, {self.refused} refused, {self.failed} not answered; last: {self.last}"


class Player:
    """Plays `pace` acts a second on the students it was given, and on no others."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        accounts: Accounts,
        students: Sequence[str],
        *,
        pace: float,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`addresses` is department → address; those whose desks' habits nobody wrote down are left alone.

        Raises ValueError for a pace outside of 0 to `FASTEST` acts a second.
        """
        if not 0 < pace <= FASTEST:
            raise ValueError(f"the pace is more than 0 and at most {FASTEST:g} acts a second")
        self.tally = Tally()
        self._students = students
        self._pace = pace
        self._random = Random(seed)
        self._clock = clock
        self._due_at_s = clock()
        self._desks = {
            name: httpx.Client(
                base_url=address,
                headers={"Authorization": f"Bearer {accounts.token(name)}"},
                timeout=TIMEOUT_S,
                trust_env=False,
            )
            for name, address in addresses.items()
            if name in DESKS
        }

    def close(self) -> None:
        """End the connections."""
        for client in self._desks.values():
            client.close()

    def turn(self) -> None:
        """Do what is due by now: a few acts at most, and none is made up for after a pause."""
        for _ in range(ACTS_IN_ONE_TURN):
            now_s = self._clock()
            if now_s < self._due_at_s:
                return
            self._due_at_s = max(self._due_at_s, now_s - 1) + 1 / self._pace
            self.act()

    def act(self) -> None:
        """One act at one desk."""
        if not self._desks or not self._students:
            return
        for look in range(1, LOOKS + 1):
            department = self._random.choice(list(self._desks))
            student_id = self._random.choice(self._students)
            record = self._look(department, student_id)
            moment = Moment(date.today(), self._random, uuid4().hex[:10])
            act = record and next_act(department, record, moment, even_if_clear=look == LOOKS)
            if act:
                self._do(department, student_id, act)
                return

    def _look(self, department: str, student_id: str) -> Mapping[str, Any] | None:
        with suppress(httpx.HTTPError):
            answer = self._desks[department].post("/records/query", json={"student_id": student_id})
            if answer.is_success:
                return dict(answer.json()["record"])
        self.tally.failed += 1
        return None

    def _do(self, department: str, student_id: str, act: Act) -> None:
        try:
            answer = self._desks[department].post(
                f"/operations/{act.operation}",
                json={"student_id": student_id, **act.body},
                headers={"Idempotency-Key": str(uuid4())},
            )
        except httpx.HTTPError:
            self.tally.failed += 1
            return
        self.tally.last = f"{department} {act.operation}"  # whose it was is nobody's business here
        if answer.is_success:
            self.tally.done += 1
        elif answer.is_client_error:
            self.tally.refused += 1
        else:
            self.tally.failed += 1
