"""What the gateway's tests read and do between two requests."""

from typing import Any

import asyncpg

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.codec import read
from schemas.events import Reason
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.samples import case_samples

PEOPLE = tuple(Person(sub=f"u-{number}", name=f"虚构{number}", student_id=new_student_id()) for number in range(120))
STAFF = Person(sub="staff", name="方石", roles=("a role of another system",))


def id_of(person: Person) -> str:
    assert person.student_id is not None
    return person.student_id


async def rows(dsn: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def commands(gateway: RunningGateway, person: Person) -> list[asyncpg.Record]:
    return await rows(gateway.database, "SELECT * FROM command WHERE student_id = $1", id_of(person))


async def posted(gateway: RunningGateway, person: Person) -> list[Any]:
    """What waits to be sent about a student."""
    found = await rows(gateway.database, "SELECT value FROM outbox WHERE key = $1", id_of(person).encode())
    return [read(row["value"]) for row in found]


async def card_open(clearance: ReadModelWriter, person: Person) -> None:
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    borrowing = case_samples.check("borrowing", case_samples.CARD_ACTIVE, Reason(code="card-not-cancelled"))
    thesis = case_samples.check("thesis", {"thesis": "approved"})
    await clearance.put_status(id_of(person), "library", [borrowing, thesis], version=2)


async def clear_and_signed_in(browser: BrowserClient, clearance: ReadModelWriter, person: Person) -> None:
    """A student whose every check passes, in the browser."""
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
