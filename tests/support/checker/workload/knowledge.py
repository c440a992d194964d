"""What departments do about their own knowledge in a race: lists come and go, rows and files are refused."""

import asyncio
import random
from typing import Final

from tests.support.checker.clients import Clients

LATE_COHORT: Final = "2027"
"""Its lists come and go."""
DOUBTED: Final = 0.3
HEADINGS: Final = "学号,收费编号,收费学年,收费项目名称,应缴金额,已缴金额\n"
_PAID: Final = "{student_id},{charge_id},2025-2026,代收水费,10.00,10.00\n"
_REFUSED: Final = '{student_id},{charge_id},2025-2026,代收水费,"8,000.00",0\n'
_NOBODYS: Final = "?,C-0,2025-2026,代收水费,10.00,0\n"


async def coverage_turns(clients: Clients, chance: random.Random) -> None:
    """The lists of the late cohort: declared or imported, in part or refused, and sometimes withdrawn."""
    for department in ("dorm", "finance"):
        await asyncio.sleep(chance.random() * 0.05)
        if chance.random() < 0.2:
            await clients.withdraw(department, LATE_COHORT)
        if chance.random() < 0.8:
            await clients.declare(department, LATE_COHORT)
    if chance.random() < 0.3:
        somebody = f"TS{chance.randrange(10**10):010}"
        row = _PAID.format(student_id=somebody, charge_id="C-0")
        last = _NOBODYS if chance.random() < 0.5 else ""
        await clients.send_file("finance", HEADINGS + row + last, covers=LATE_COHORT)
    if chance.random() < 0.15:
        await clients.send_file("finance", f"学号,欠款\n{chance.random()},1\n", covers=LATE_COHORT)


async def doubts(clients: Clients, student_id: str, chance: random.Random) -> str:
    """A row about the student is refused, perhaps beside a good one; later it is settled, ended, or stays."""
    await asyncio.sleep(chance.random() * 0.2)
    refused = _REFUSED.format(student_id=student_id, charge_id="C-7")
    good = _PAID.format(student_id=student_id, charge_id="C-7")
    await clients.send_file("finance", HEADINGS + refused + (good if chance.random() < 0.5 else ""))
    await asyncio.sleep(chance.random() * 0.2)
    match chance.randrange(3):
        case 0:
            await clients.send_file("finance", HEADINGS + good)
        case 1:
            await clients.end_questions("finance", student_id)
    return ""
