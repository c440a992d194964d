"""Processes that end at every failpoint, all at the same time, while students submit, cancel cards and are charged."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from schemas.flows import CLEARANCE, GATEWAY
from services.kit.runtime.failpoints import EXIT_CODE
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import CARD_ACTIVE

STUDENTS: Final = 18
ARRIVAL_S: Final = 1.0
CRASH_TIMEOUT_S: Final = 400.0
SHORT_LIFE_S: Final = "3"
SECOND, THIRD = f"{CLEARANCE}:2", f"{CLEARANCE}:3"


def after_commit(point: str) -> str:
    """The commit of the batch in which `point` was reached."""
    return f"{point},consumer.after_commit"


ROUNDS: Final[Sequence[Mapping[str, Sequence[str]]]] = (
    {
        CLEARANCE: (
            "submit.after_lock",
            "submit.after_open",
            after_commit("submit.before_commit"),
            "consumer.after_poll",
        ),
        SECOND: ("settle.after_lock", "settle.after_answer", "settle.before_commit", "consumer.in_revoke"),
        THIRD: (
            "settle.before_insert",
            "settle.after_insert",
            after_commit("settle.before_commit"),
            "seal.before_commit",
        ),
        "library": (
            "attest.after_lock",
            "command.before_effect",
            "command.after_effect",
            after_commit("command.before_commit"),
        ),
        "archives": ("outcome.before_release", "attest.before_commit", "seal.after_commit"),
        "dorm": ("relay.after_select", "outcome.after_release", "outcome.before_commit", "consumer.after_commit"),
        "finance": ("desk.before_commit", "desk.after_commit", "consumer.before_commit", "relay.after_select"),
        GATEWAY: ("relay.after_send", "relay.before_delete", "relay.after_delete", "consumer.after_commit"),
    },
    {
        CLEARANCE: ("expire.after_lock",),
        SECOND: ("expire.before_commit",),
        THIRD: ("expire.after_commit",),
        "library": ("command.before_commit",),
        "archives": (after_commit("attest.before_commit"),),
        "dorm": (after_commit("outcome.before_commit"),),
        GATEWAY: ("consumer.after_poll",),
    },
)
"""Process → where it ends, one after another. Every failpoint is in some round."""


async def crash_round(observed: ObservedInstallation, paths: Mapping[str, Sequence[str]]) -> None:
    """Work until each process has ended at each of its places; it is started again at once, with the next one."""
    installation = observed.installation
    students = deque([await _arrival(observed, with_card=number % 2 == 1) for number in range(STUDENTS)], STUDENTS)
    expiring = any(point.startswith("expire.") for path in paths.values() for point in path)
    for name in paths:
        if name in installation.processes:
            installation.stop(name)
    if expiring:
        observed.faulty = True
        installation.stop("finance")  # one that does not answer: every attempt is to expire
        installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S=SHORT_LIFE_S)
    for name, path in paths.items():
        await installation.start(name, failpoint=path[0], wait=False)
    tasks = [asyncio.create_task(_work(observed, students))]
    if not expiring:
        tasks.append(asyncio.create_task(_arrivals(observed, students)))
    try:
        await _all_crash(observed, paths)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for name in (SECOND, THIRD):
            if name in installation.processes:
                installation.stop(name)
        if expiring:
            # Also of the one that runs: in what comes next, attempts live as long as they usually do.
            installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S="600")
            if CLEARANCE in installation.processes:
                installation.stop(CLEARANCE)
            await installation.start(CLEARANCE)


async def _all_crash(observed: ObservedInstallation, paths: Mapping[str, Sequence[str]]) -> None:
    installation, waiting = observed.installation, {name: deque(path) for name, path in paths.items()}
    deadline_s = time.monotonic() + CRASH_TIMEOUT_S
    while waiting:
        assert time.monotonic() < deadline_s, f"these never came to their place: {waiting}"
        for name, path in list(waiting.items()):
            process = installation.processes[name]
            if process.poll() is None:
                continue
            assert process.poll() == EXIT_CODE, f"{name} ended with {process.poll()}.{process.last_lines()}"
            path.popleft()
            installation.kill(name)
            await installation.start(name, failpoint=path[0] if path else "", wait=False)
            if not path:
                del waiting[name]
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
