"""What a department could not read, ended by its operator on the command line."""

import asyncio
from urllib.parse import urlsplit

import pytest
from aiokafka import ConsumerRecord
from typer.testing import CliRunner

from deploy.local.servers.server import Running
from schemas.codec import read
from schemas.events import SubmissionRefused
from services.kit.department.commands import department_commands
from services.kit.messaging.dead_letters.store import DeadLetter, store_dead_letters
from services.kit.operations import Held
from tests.support.in_process.services import DEPARTMENTS, RULES
from tests.support.in_process.submission_harness import OWING, Harness


@pytest.fixture
async def environment(harness: Harness, postgres: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library's command line takes from the environment."""
    name = await harness.departments["library"].pool.fetchval("SELECT current_database()")
    monkeypatch.setenv("LIXIAO_DATABASE", urlsplit(postgres.address)._replace(path=f"/{name}").geturl())
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("LIXIAO_NAMESPACE", harness.topics.namespace)


async def command(*arguments: str) -> tuple[int, str]:
    """The library's `dead-letters`: exit code and what it said."""
    cli = department_commands(RULES["library"])
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["dead-letters", *arguments])
    return result.exit_code, result.output


async def refused_without_the_library_hearing(harness: Harness, student_id: str) -> ConsumerRecord:
    """An attempt that ended while the library holds the student: the record that says so, heard by all others."""
    attempt_id = await harness.submit(student_id)
    await harness.deliver_all(without=("finance",))
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    (end,) = [one for one in await harness.clearance.take_outbox() if isinstance(read(one.value), SubmissionRefused)]
    for name in DEPARTMENTS:
        if name != "library":
            await harness.departments[name].receive([end])
    assert await harness.holds(student_id) == {"library": [attempt_id]}
    return end


@pytest.mark.usefixtures("environment")
async def test_an_end_that_was_unreadable_releases_its_hold_when_it_is_replayed(harness: Harness) -> None:
    library = harness.departments["library"]
    student_id = await harness.student()
    end = await refused_without_the_library_hearing(harness, student_id)
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)

    async with library.pool.acquire() as connection, connection.transaction():
        await store_dead_letters(connection, harness.topics.group("library"), [DeadLetter(end, "not JSON")])
        await connection.execute("UPDATE dead_letter SET value = 'not JSON'")
    code, listed = await command("list")
    assert (code, "not JSON" in listed, student_id in listed) == (0, True, False)
    letter = str(await library.pool.fetchval("SELECT id FROM dead_letter"))
    code, again = await command("replay", letter)
    assert (code, "still unreadable" in again) == (1, True)

    await library.pool.execute("UPDATE dead_letter SET value = $1", end.value)
    assert await command("replay", "--all") == (0, "1 replayed, 0 still unreadable\n")
    assert await harness.holds(student_id) == {}
    await harness.set("library", student_id, OWING)
    assert await command("list") == (0, "There are none.\n")
    assert await library.pool.fetchval("SELECT ended_how FROM dead_letter") == "replayed"
    assert await library.pool.fetchval("SELECT count(*) FROM audit.entry WHERE act = 'dead-letter.end'") == 1
