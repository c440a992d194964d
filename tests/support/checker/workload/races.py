"""What students and desks do to each other: races over many students, drawn from a seed."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.checker.clients import COHORT, Clients
from tests.support.checker.workload.knowledge import DOUBTED, LATE_COHORT, coverage_turns, doubts

AT_ONCE: Final = 16
AGAIN: Final = 3
NO_THESIS: Final = {"card": "cancelled", "thesis": "not-submitted"}
CARD_ACTIVE: Final = {"card": "active", "thesis": "approved"}


async def races(
    clients: Clients, count: int, seed: int, *, at_once: int = AT_ONCE, on_done: Callable[[], None] = lambda: None
) -> None:
    """Run `count` races, `at_once` side by side; `on_done` is called after each."""
    limit = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with limit:
            await race(clients, random.Random(f"{seed} {number}"))
            on_done()

    await asyncio.gather(*(one(number) for number in range(count)))
    await clients.withdraw("dorm", LATE_COHORT)


@dataclass(frozen=True, slots=True)
class _Racer:
    """`former`: another number of the student, empty without one; `joined_late`: while the first attempt runs."""

    student_id: str
    by_lists: bool
    exempted: bool
    former: str
    joined_late: bool

    @property
    def numbers(self) -> tuple[str, ...]:
        return (self.student_id, self.former) if self.former else (self.student_id,)


async def race(clients: Clients, chance: random.Random) -> None:
    """One student: asks, once or from two devices, while debts land and go; may ask again; may be charged after."""
    racer = await _enrolled(clients, chance)
    state = await _submitted(clients, racer, chance)
    await clients.read_submission(racer.student_id)
    if state == "refused":
        state = await _asked_again(clients, racer, chance)
    if state == "done":
        await _afterwards(clients, racer.student_id, chance)
    await clients.read_submission(racer.student_id)


async def _enrolled(clients: Clients, chance: random.Random) -> _Racer:
    with_card, by_lists = chance.random() < 0.25, chance.random() < 0.35
    exempted = not with_card and chance.random() < 0.3
    records = {"library": CARD_ACTIVE} if with_card else {"library": NO_THESIS} if exempted else {}
    cohort, silent = (LATE_COHORT, ("dorm", "finance")) if by_lists else (COHORT, ())
    student_id = await clients.student(cohort=cohort, silent=silent, **records)
    if exempted:
        await clients.exempt(student_id, "library", "thesis")
    if by_lists:
        await coverage_turns(clients, chance)
    if with_card:
        await _cancel_card(clients, student_id, chance)
    former = await clients.student() if chance.random() < 0.15 else ""
    joined_late = bool(former) and chance.random() < 0.4
    if former and not joined_late:
        await clients.join(student_id, former)
    return _Racer(student_id, by_lists, exempted, former, joined_late)


async def _cancel_card(clients: Clients, student_id: str, chance: random.Random) -> None:
    asked = await asyncio.gather(*(clients.ask(student_id, "library", "cancel-card") for _ in range(2)))
    await clients.end_of(asked[0])
    if chance.random() < 0.5:
        # A new card, while the command that cancelled the old one may still come again.
        await clients.desk("library", "issue-card", student_id)
        await clients.repeat_messages(student_id)
        await asyncio.sleep(chance.random() * 0.2)
        await clients.end_of(await clients.ask(student_id, "library", "cancel-card"))


async def _submitted(clients: Clients, racer: _Racer, chance: random.Random) -> str:
    """From two devices, while everything else happens; how the last ask ended."""
    student_id, former = racer.student_id, racer.former
    command_ids = await asyncio.gather(
        _asks(clients, student_id, chance.random() * 0.02),
        _asks(clients, student_id, chance.random() * 0.05),
        _debt(clients, student_id, chance),
        _debt(clients, former, chance) if former else _nothing(),
        _joined(clients, student_id, former, chance) if racer.joined_late else _nothing(),
        doubts(clients, student_id, chance) if chance.random() < DOUBTED else _nothing(),
        coverage_turns(clients, chance) if racer.by_lists and chance.random() < 0.4 else _nothing(),
        _second_thoughts(clients, student_id, chance) if racer.exempted and chance.random() < 0.7 else _nothing(),
    )
    state = "asked"
    for command_id in {one for one in command_ids if one}:
        state = await clients.end_of(command_id)
    return state


async def _asked_again(clients: Clients, racer: _Racer, chance: random.Random) -> str:
    """Right behind the refusal, whose repetitions may be on their way; the first time perhaps still in debt."""
    state = "refused"
    for turn in range(AGAIN):
        if turn or chance.random() < 0.6:
            for number in racer.numbers:
                await clients.waive(number, "C-1")
        command_id = await clients.ask(racer.student_id)
        await asyncio.sleep(chance.random() * 0.15)
        await clients.repeat_messages(racer.student_id)
        state = await clients.end_of(command_id)
        if state == "done":
            break
    return state


async def _afterwards(clients: Clients, student_id: str, chance: random.Random) -> None:
    """A late debt; the certificates collected; the form voided and replaced."""
    if chance.random() < 0.3:
        await clients.charge(student_id, "C-9")
        if chance.random() < 0.3:
            await clients.waive(student_id, "C-9")
    if chance.random() < 0.4:
        await _collect(clients, student_id, chance)
    if chance.random() < 0.3:
        await _again(clients, student_id, chance)


async def _collect(clients: Clients, student_id: str, chance: random.Random) -> None:
    """The form at two desks at once, perhaps while a debt lands; perhaps undone, and handed over again."""
    desks = [clients.hand_over(student_id), clients.hand_over(student_id)]
    debts = [clients.charge(student_id, "C-10")] if chance.random() < 0.5 else []
    await asyncio.gather(*desks, *debts)
    if chance.random() < 0.5:
        await clients.undo(student_id)
        await clients.hand_over(student_id)


async def _asks(clients: Clients, student_id: str, delay_s: float) -> str:
    await asyncio.sleep(delay_s)
    return await clients.ask(student_id)


async def _joined(clients: Clients, student_id: str, former: str, chance: random.Random) -> str:
    await asyncio.sleep(chance.random() * 0.2)
    await clients.join(student_id, former)
    return ""


async def _nothing() -> str:
    return ""


async def _second_thoughts(clients: Clients, student_id: str, chance: random.Random) -> str:
    """The exemption is withdrawn around the submission, and perhaps made again."""
    await asyncio.sleep(chance.random() * 0.1)
    await clients.withdraw_exemption(student_id, "library", "thesis")
    if chance.random() < 0.3:
        await asyncio.sleep(chance.random() * 0.2)
        await clients.exempt(student_id, "library", "thesis")
    return ""


async def _debt(clients: Clients, student_id: str, chance: random.Random) -> str:
    if chance.random() < 0.75:
        await asyncio.sleep(chance.random() * 0.3)
        await clients.charge(student_id, "C-1")
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.05)
            await clients.waive(student_id, "C-1")
    return ""


async def _again(clients: Clients, student_id: str, chance: random.Random) -> None:
    """The form is voided, perhaps while a desk hands it over; two devices submit again, perhaps with a debt open."""
    desk = [clients.hand_over(student_id)] if chance.random() < 0.5 else []
    await asyncio.gather(clients.void_form(student_id), *desk)
    if chance.random() < 0.7:
        for charge_id in ("C-1", "C-9", "C-10"):
            await clients.waive(student_id, charge_id)
    asked = await asyncio.gather(clients.ask(student_id), clients.ask(student_id))
    for command_id in {one for one in asked if one}:
        await clients.end_of(command_id)
