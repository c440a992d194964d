"""`make test-flink`: the Flink job fills a second view from the same topics while desks work; equal by hash at the end.

Besides: killed and begun again from the first record, while no line ever goes back to an older version; a record
that nobody can read and a forgotten student are treated as by the projector.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import structlog
import typer
from rich.console import Console

from deploy.flink.guard import FILE
from deploy.local.installation import Installation
from deploy.local.processes.process import Process
from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.flink import job, variables
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from schemas.codec import TOMBSTONE_HEADERS
from schemas.flows import CLEARANCE
from services.clearance.view.view_store import view_hash
from services.kit.kafka.connection import KafkaConnection
from tests.support.kafka.topics import Producer
from tests.support.paths import ROOT
from tests.support.waiting import eventually

DEPARTMENTS: Final = ("library", "finance")
BESIDE: Final = "flink, public"
"""`search_path`: the table `flink.status` is the job's view."""
SECOND_VIEW: Final = """
CREATE TABLE flink.status (LIKE public.status INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE flink.went_back (student_id text, department text);
CREATE FUNCTION flink.watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flink.went_back VALUES (NEW.student_id, NEW.department);
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON flink.status FOR EACH ROW WHEN (NEW.version < OLD.version)
    EXECUTE FUNCTION flink.watch();
"""
EQUAL_WITHIN_S: Final = 300.0
console = Console(soft_wrap=True, highlight=False)


def main(
    students: Annotated[int, typer.Option(min=10, max=20_000)] = 100,
    changes: Annotated[int, typer.Option(help="of each student, at two desks, twice")] = 2,
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "flink"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres(state.folder, durable=False)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        broker = Kafka(state.folder)
        broker.start().wait_ready()
        stack.callback(broker.stop)
        asyncio.run(_run(folder, postgres.address, broker.address, students, changes))


async def _run(folder: Path, postgres: str, kafka: KafkaConnection, students: int, changes: int) -> None:
    installation = Installation(folder / "installation", postgres=postgres, kafka=kafka)
    try:
        await installation.provision()
        await installation.start(*DEPARTMENTS, CLEARANCE)
        database = await installation.database(CLEARANCE)
        await database.execute(FILE.read_text("utf-8") + SECOND_VIEW)
        await _fill(installation, database, kafka, folder / "flink", students, changes)
    finally:
        await installation.close()


async def _fill(
    installation: Installation,
    database: "asyncpg.Connection[Any]",
    kafka: KafkaConnection,
    folder: Path,
    students: int,
    changes: int,
) -> None:
    enrolled = [await installation.enrol() for _ in range(students)]
    began_s = time.monotonic()
    process = job(folder, _variables(installation, kafka)).start()
    desks = asyncio.create_task(_work(installation, enrolled, range(changes)))
    try:
        await _filled(database, process)
        console.print(f"first rows after {time.monotonic() - began_s:.0f} s")
        await desks
        await _equal(database)
        # The newest of everybody is there: whatever is read again from the first record is older.
        desks = asyncio.create_task(_work(installation, enrolled, range(changes, 2 * changes)))
        await asyncio.to_thread(process.kill)
        process = job(folder, _variables(installation, kafka)).start()
        await desks
        await _odd(installation, kafka, *enrolled[:2])
        # Each partition ends with a change of now, so what is equal was read to its end.
        await _equal(database)
        lines = await database.fetchval("SELECT count(*) FROM flink.status")
        back = await database.fetchval("SELECT count(*) FROM flink.went_back")
        assert back == 0, f"lines went back to an older version {back} times"
        console.print(
            f"{lines} lines of {students} students equal by their hash {await view_hash(database)}; killed while desks "
            f"worked, all read again, no line went back ({time.monotonic() - began_s:.0f} s)"
        )
    except AssertionError:
        console.print(process.last_lines(), markup=False)
        raise
    finally:
        desks.cancel()
        with suppress(asyncio.CancelledError):
            await desks
        await asyncio.to_thread(process.kill)


def _variables(installation: Installation, kafka: KafkaConnection) -> dict[str, str]:
    return variables(installation.namespace, kafka, installation.database_dsn(CLEARANCE), search_path=BESIDE)


async def _work(installation: Installation, students: list[str], numbers: Iterable[int]) -> None:
    """Cards turned back and forth, debts that come and go."""
    for number in numbers:
        for student_id in students:
            card = ("active", "cancelled")[number % 2]
            await installation.put("library", student_id, {"card": card, "thesis": "approved"})
            charge = {"student_id": student_id, "charge_id": f"F-{number}"}
            await installation.operate("finance", "charge", **charge, year="2025-2026", name="代收水费", amount="10.00")
            if number % 2:
                await installation.operate("finance", "waiver", **charge, amount="10.00")


async def _odd(installation: Installation, kafka: KafkaConnection, hidden: str, forgotten: str) -> None:
    """A record that is no JSON, not even UTF-8, and a tombstone."""
    topic = installation.topics.status("library")
    async with Producer(kafka) as producer:
        await producer.send(topic, hidden.encode(), b"\xff\x00{")
        await producer.send(topic, forgotten.encode(), None, headers=TOMBSTONE_HEADERS)


async def _filled(database: "asyncpg.Connection[Any]", process: Process) -> None:
    async def begun() -> bool:
        assert process.poll() is None, "Flink has ended"
        return bool(await database.fetchval("SELECT EXISTS (SELECT FROM flink.status)"))

    await eventually(begun, what="rows from Flink", timeout_s=EQUAL_WITHIN_S, poll_s=0.5)


async def _equal(database: "asyncpg.Connection[Any]") -> None:
    """Both at one instant: positions and reasons of the work lists too, which the hash leaves out."""
    same = """
    SELECT NOT EXISTS (
        (SELECT student_id, department, version, source_partition, source_offset, unreadable_offset, open_codes
         FROM public.status EXCEPT
         SELECT student_id, department, version, source_partition, source_offset, unreadable_offset, open_codes
         FROM flink.status))
    """

    async def equal() -> bool:
        async with database.transaction(isolation="repeatable_read"):
            hashes = {await view_hash(database, f"{schema}.status") for schema in ("public", "flink")}
            return len(hashes) == 1 and bool(await database.fetchval(same))

    await eventually(equal, what="both views to be equal", timeout_s=EQUAL_WITHIN_S, poll_s=1)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
