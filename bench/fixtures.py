"""Servers, databases, topics and clear students for a measurement."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from deploy.local.installation import Installation
from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.kafka import Kafka, delete_topics
from deploy.local.servers.postgres import Postgres, create_database, drop_database
from deploy.local.servers.server import obtain
from deploy.local.services import ROOT
from schemas.flows import GATEWAY
from schemas.topics import Topics
from services.gateway.tables.sessions.session_table import Sessions
from services.gateway.web.cookies import SESSION_COOKIE
from services.kit.kafka.connection import KafkaConnection
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.topics import create_topics

CLEAR_RECORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
    "dorm": {
        "residences": [
            {
                "campus": "南湖校区",
                "building": "梅苑2号楼",
                "room": "A3071",
                "checked_out_on": "2026-06-05",
                "handler": "纪小满",
            }
        ]
    },
}
"""By department; elsewhere an empty record is clear."""
IN_VIEW_TIMEOUT_S: Final = 120


@dataclass(frozen=True, slots=True)
class Servers:
    """`postgres`: a superuser's DSN."""

    postgres: str
    kafka: KafkaConnection


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One database and one namespace of topics."""

    dsn: str
    kafka: KafkaConnection
    topics: Topics

    @property
    def database(self) -> str:
        return urlsplit(self.dsn).path[1:]


@contextmanager
def servers() -> Iterator[Servers]:
    """Those of LIXIAO_POSTGRES and LIXIAO_KAFKA, else ones started here and stopped at the end."""
    with ExitStack() as running:
        state = running.enter_context(claim_any(ROOT / ".lixiao" / "bench"))
        postgres = obtain(Postgres(state.folder))
        running.callback(postgres.stop)
        kafka = obtain(Kafka(state.folder))
        running.callback(kafka.stop)
        yield Servers(postgres.address, kafka.address)


@contextmanager
def sandbox(on: Servers, migrations: Sequence[Path], departments: Sequence[str], partitions: int) -> Iterator[Sandbox]:
    name = f"bench_{secrets.token_hex(4)}"
    topics = Topics(name.replace("_", "-"))
    dsn = asyncio.run(create_database(on.postgres, name))
    try:
        asyncio.run(migrate(dsn, migrations))
        asyncio.run(create_topics(on.kafka, topics, departments, partitions=partitions))
        yield Sandbox(dsn, on.kafka, topics)
    finally:
        asyncio.run(drop_database(on.postgres, name))
        asyncio.run(delete_topics(on.kafka, topics.namespace))


async def enrol_clear(installation: Installation, count: int, *, at_once: int = 1) -> list[str]:
    """Wait until the view shows them clear. All departments must run."""
    students: list[str] = []
    free = asyncio.Semaphore(at_once)

    async def enrol() -> None:
        async with free:
            student_id = await installation.enrol()
            for department, record in CLEAR_RECORDS.items():
                await installation.put(department, student_id, record)
            students.append(student_id)

    await asyncio.gather(*(enrol() for _ in range(count)))
    for department in installation.departments:
        await installation.opened(department, students, timeout_s=IN_VIEW_TIMEOUT_S)
    await installation.in_step(timeout_s=IN_VIEW_TIMEOUT_S)
    return students


async def cookies_of(installation: Installation, students: Sequence[str]) -> list[str]:
    """Of a session each, in their order."""
    async with asyncpg.create_pool(installation.database_dsn(GATEWAY), min_size=1, max_size=2) as pool:
        sessions = Sessions(pool, idle_s=3600, life_s=3600)
        return [
            f"{SESSION_COOKIE}="
            + await sessions.start(
                student_id=student_id,
                issuer="bench",
                subject=str(uuid4()),
                authenticated_at=datetime.now(UTC),
                old=None,
            )
            for student_id in students
        ]
