"""`python -m bench.sizes`: what a student costs in each database and topic, on a small and on a larger cohort.

Bytes of vacuumed tables with their indexes, and of records as published: keys, values and headers, before
compression and before compaction. The slope between two states counts, so that what is there anyway does not.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import asyncpg
import structlog
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bench.fixtures import Servers, enrol_clear, servers
from deploy.demo.load import import_list, import_roster
from deploy.demo.students import Student, invent_students
from deploy.local.devices import devices
from deploy.local.installation import Installation, until
from schemas.flows import CLEARANCE, GATEWAY

CHANGED: Final = 400
SUBMITTED: Final = 200
SETTLED_WITHIN_S: Final = 600.0
HEADER_BYTES: Final = 12
"""Of a record in its batch: lengths and differences of time and offset."""
_TABLES: Final = """
SELECT relname, pg_total_relation_size(relid) AS bytes FROM pg_catalog.pg_statio_user_tables
"""


@dataclass(frozen=True)
class State:
    """Bytes by `database table`; bytes and records by topic, without its namespace."""

    tables: Mapping[str, int]
    topics: Mapping[str, int]
    records: Mapping[str, int]


def main(
    small: Annotated[int, typer.Option(min=12)] = 500,
    large: Annotated[int, typer.Option(help="students besides")] = 5_000,
) -> None:
    """Print a table for each step."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with servers() as on, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(on, Path(folder), small, large))


async def _run(on: Servers, folder: Path, small: int, large: int) -> None:
    installation = Installation(folder, postgres=on.postgres, kafka=on.kafka)
    students = invent_students(small + large)[: small + large]
    try:
        await installation.provision()
        await installation.start(*installation.departments, CLEARANCE, GATEWAY)
        for cohort in (students[:small], students[small:]):
            async with _measured(installation, f"{len(cohort)} students, their lists imported", len(cohort)):
                await _imported(installation, cohort)
        async with _measured(installation, "a change at a desk", CHANGED):
            await _changed(installation, students[-CHANGED:])
        clear = await enrol_clear(installation, SUBMITTED)
        async with _measured(installation, "a submission", SUBMITTED):
            await _submitted(installation, clear)
    finally:
        await installation.close()


async def _imported(installation: Installation, cohort: Sequence[Student]) -> None:
    def advance(_: int) -> None: ...

    await import_roster(installation, cohort, advance)
    for department in installation.departments:
        await import_list(installation, department, cohort, covering=True, advance=advance)


async def _changed(installation: Installation, students: Sequence[Student]) -> None:
    for one in students:
        charge = {"student_id": one.student_id, "charge_id": "S-1", "year": "2025-2026", "name": "代收水费"}
        await installation.operate("finance", "charge", **charge, amount="10.00")


async def _submitted(installation: Installation, students: Sequence[str]) -> None:
    dsn = installation.service(GATEWAY).environment["LIXIAO_DATABASE"]
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        for device in await devices(pool, students):
            answer = await device.submit(installation.address(GATEWAY))
            assert answer.status_code == 202, answer.text
            await device.close()
    accepted = "SELECT count(*) = $1 FROM submission"

    async def all_accepted() -> bool:
        return bool(await (await installation.database(CLEARANCE)).fetchval(accepted, len(students)))

    await until(all_accepted, "every submission", SETTLED_WITHIN_S)


@asynccontextmanager
async def _measured(installation: Installation, what: str, count: int) -> AsyncIterator[None]:
    before = await _state(installation)
    yield
    for name in installation.departments:
        outbox = await installation.database(name)

        async def sent(outbox: "asyncpg.Connection[asyncpg.Record]" = outbox) -> bool:
            return not await outbox.fetchval("SELECT EXISTS (SELECT FROM outbox)")

        await until(sent, f"the outbox of {name}", SETTLED_WITHIN_S)
    await installation.in_step(timeout_s=SETTLED_WITHIN_S)
    after = await _state(installation)
    print(f"\n{what}: bytes each", flush=True)
    for title, now, then in (("tables", after.tables, before.tables), ("topics", after.topics, before.topics)):
        grown = {name: (size - then.get(name, 0)) / count for name, size in now.items()}
        print(f"  {title}: {sum(grown.values()):,.0f}")
        for name, each in sorted(grown.items(), key=lambda one: -one[1]):
            if each >= 1:
                records = (after.records.get(name, 0) - before.records.get(name, 0)) / count
                print(f"    {name:<44}{each:>10,.0f}{f'   {records:.2f} records' if records else ''}")


async def _state(installation: Installation) -> State:
    tables = {}
    for name in (*installation.departments, CLEARANCE, GATEWAY):
        database = await installation.database(name)
        await database.execute("VACUUM")
        for row in await database.fetch(_TABLES):
            tables[f"{name} {row['relname']}"] = row["bytes"]
    sizes, records = await _topics(installation)
    return State(tables, sizes, records)


async def _topics(installation: Installation) -> tuple[dict[str, int], dict[str, int]]:
    sizes, counts = dict[str, int](), dict[str, int]()
    specs = installation.topics.specs(installation.departments)
    consumer = AIOKafkaConsumer(**installation.kafka.options(), group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(spec.name, number) for spec in specs for number in range(spec.partitions)]
        left = {part: end for part, end in (await consumer.end_offsets(partitions)).items() if end}
        consumer.assign(list(left) or partitions[:1])
        while left:
            for part, batch in (await consumer.getmany(timeout_ms=1000)).items():
                topic = part.topic.removeprefix(f"{installation.namespace}.")
                counts[topic] = counts.get(topic, 0) + len(batch)
                sizes[topic] = sizes.get(topic, 0) + sum(map(_bytes, batch))
            for part in list(left):
                if await consumer.position(part) >= left[part]:
                    del left[part]
    finally:
        await consumer.stop()
    return sizes, counts


def _bytes(record: ConsumerRecord) -> int:
    headers = sum(len(name) + len(value or b"") + 2 for name, value in record.headers)
    return HEADER_BYTES + len(record.key or b"") + len(record.value or b"") + headers


if __name__ == "__main__":
    typer.run(main)
