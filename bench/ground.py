"""What a measurement stands on: databases and topics of its own on the real servers, gone at the end."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.processes.state_folder import claim_any
from deploy.local.running_services import delete_topics
from deploy.local.servers.jars import cache_folder
from deploy.local.servers.obtain import obtain_kafka, obtain_postgres
from deploy.local.servers.postgres import create_database, drop_database
from schemas.topics import Topics
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.topics import create_topics

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Servers:
    """`postgres` is a superuser's DSN, `kafka` host:port."""

    postgres: str
    kafka: str


@dataclass(frozen=True, slots=True)
class Ground:
    """One database and one namespace of topics."""

    dsn: str
    kafka: str
    topics: Topics

    @property
    def database(self) -> str:
        return urlsplit(self.dsn).path[1:]


@contextmanager
def servers() -> Iterator[Servers]:
    """Those of LIXIAO_POSTGRES and LIXIAO_KAFKA, else ones started here and stopped at the end."""
    with ExitStack() as running:
        state = running.enter_context(claim_any(ROOT / ".lixiao" / "bench"))
        postgres = obtain_postgres(state.folder)
        if postgres.server:
            running.callback(postgres.server.stop)
        kafka = obtain_kafka(state.folder, cache_folder(ROOT / ".lixiao"))
        if kafka.broker:
            running.callback(kafka.broker.stop)
        yield Servers(postgres.dsn, kafka.address)


@contextmanager
def ground(on: Servers, folders: Sequence[Path], departments: Sequence[str], partitions: int) -> Iterator[Ground]:
    """A database with the migrations of `folders`, and topics of `partitions` for `departments`."""
    name = f"bench_{secrets.token_hex(4)}"
    topics = Topics(name.replace("_", "-"))
    dsn = asyncio.run(create_database(on.postgres, name))
    try:
        asyncio.run(_prepare(dsn, on.kafka, topics, folders, departments, partitions))
        yield Ground(dsn, on.kafka, topics)
    finally:
        asyncio.run(_remove(on, name, topics))


async def _prepare(
    dsn: str, kafka: str, topics: Topics, folders: Sequence[Path], departments: Sequence[str], partitions: int
) -> None:
    await migrate(dsn, folders)
    await create_topics(kafka, topics, departments, partitions=partitions)


async def _remove(on: Servers, database: str, topics: Topics) -> None:
    await drop_database(on.postgres, database)
    await delete_topics(on.kafka, topics.namespace)
