"""Processes that end at every failpoint, several a round, while students submit, cancel cards and are charged."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from schemas.flows import CLEARANCE
from services.kit.runtime.failpoints import EXIT_CODE
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import CARD_ACTIVE

STUDENTS: Final = 18
ARRIVAL_S: Final = 1.0
CRASH_TIMEOUT_S: Final = 150.0
SHORT_LIFE_S: Final = "3"
SECOND, THIRD = f"{CLEARANCE}:2", f"{CLEARANCE}:3"


def after_commit(point: str) -> str:
    """The commit of the batch in which `point` was reached."""
    return f"{point},consumer.after_commit"


ROUNDS: Final[Sequence[Mapping[str, str]]] = (
    {
        CLEARANCE: "submit.after_lock",
        SECOND: "settle.after_lock",
        THIRD: "settle.before_insert",
        "library": "attest.after_lock",
        "archives": "outcome.before_release",
        "dorm": "relay.after_select",
        "finance": "desk.before_commit",
        "gateway": "relay.after_send",
    },
    {
        CLEARANCE: "submit.after_open",
        SECOND: "settle.after_answer",
        THIRD: "settle.after_insert",
        "library": "command.before_effect",
        "archives": "attest.after_hold",
        "dorm": "outcome.after_release",
        "finance": "desk.after_commit",
        "gateway": "relay.before_delete",
    },
    {
        CLEARANCE: after_commit("submit.before_commit"),
        SECOND: "settle.before_commit",
        THIRD: after_commit("settle.before_commit"),
        "library": "command.after_effect",
        "archives": "attest.before_commit",
        "dorm": "outcome.before_commit",
        "finance": "consumer.before_commit",
        "gateway": "relay.after_delete",
    },
    {
        CLEARANCE: "expire.after_lock",
        SECOND: "expire.before_commit",
        THIRD: "expire.after_commit",
        "library": "command.before_commit",
        "archives": after_commit("attest.before_commit"),
        "dorm": after_commit("outcome.before_commit"),
        "gateway": "consumer.after_poll",
    },
    {
        CLEARANCE: "consumer.after_poll",
        SECOND: "consumer.in_revoke",
        THIRD: "seal.before_commit",
        "library": after_commit("command.before_commit"),
        "archives": "seal.after_commit",
        "dorm": "consumer.after_commit",
        "finance": "relay.after_select",
        "gateway": "consumer.after_commit",
    },
)
"""Process → where it ends. Every failpoint is in some round."""


async def crash_round(observed: ObservedInstallation, points: Mapping[str, str]) -> None:
    """Start each process with its place, work until each has ended there, and start each again at once."""
    installation = observed.installation
    students = deque([await _arrival(observed, with_card=number % 2 == 1) for number in range(STUDENTS)], STUDENTS)
    expiring = any(point.startswith("expire.") for point in points.values())
    for name in points:
        if name in installation.processes:
            installation.stop(name)
    if expiring:
        observed.faulty = True
        installation.stop("finance")  # one that does not answer: every attempt is to expire
        installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S=SHORT_LIFE_S)
    for name, point in points.items():
        await installation.start(name, failpoint=point, wait=False)
    tasks = [asyncio.create_task(_work(observed, students))]
    if not expiring:
        tasks.append(asyncio.create_task(_arrivals(observed, students)))
    try:
        await _all_crash(observed, points)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if expiring:
            installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S="600")
        for name in (SECOND, THIRD):
            if name in installation.processes:
                installation.stop(name)


async def _all_crash(observed: ObservedInstallation, points: Mapping[str, str]) -> None:
    installation, waiting = observed.installation, dict(points)
    deadline_s = time.monotonic() + CRASH_TIMEOUT_S
    while waiting:
        assert time.monotonic() < deadline_s, f"these never came to their place: {waiting}"
        for name in list(waiting):
            process = installation.processes[name]
            if process.poll() is not None:
                assert process.poll() == EXIT_CODE, f"{name} ended with {process.poll()}.{process.last_lines()}"
                del waiting[name]
                installation.kill(name)
                await installation.start(name, wait=False)
        await asyncio.sleep(0.1)


async def _arrival(observed: ObservedInstallation, *, with_card: bool) -> str:
    records: dict[str, Any] = {"library": CARD_ACTIVE} if with_card else {}
    return await observed.student(**records)


async def _arrivals(observed: ObservedInstallation, students: deque[str]) -> None:
    """Newcomers in the place of the longest known: who is accepted, or whose card is cancelled, passes no place again.

    Two at a time, so that every second one has a card.
    """
    while True:
        students.extend([await _arrival(observed, with_card=with_card) for with_card in (False, True)])
        await asyncio.sleep(ARRIVAL_S)


async def _work(observed: ObservedInstallation, students: deque[str]) -> None:
    """Everything that passes the places, over and over; whoever is away is not waited for."""
    turn = 0
    while True:
        turn += 1
        for number, student_id in enumerate(tuple(students)):
            if number % 2:
                await observed.ask(student_id, "library", "cancel-card")
            await observed.ask(student_id)
            if number % 3 == 0:
                await observed.charge(student_id, f"C-{turn}")
                await observed.waive(student_id, f"C-{turn}")
        await asyncio.sleep(0.5)
