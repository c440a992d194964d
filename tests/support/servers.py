"""Fixtures: a real PostgreSQL, a real Kafka broker, a trace collector, and databases and topics of a test's own.

Servers start once a session, at the first use, in `.lixiao/test`; LIXIAO_POSTGRES, LIXIAO_KAFKA and LIXIAO_ZIPKIN name
running ones instead. A server that cannot be started skips its tests with the reason (`--ci`: fails them).
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import StateFolder, claim_any, clean
from deploy.local.servers.jars import JarsMissing, cache_folder
from deploy.local.servers.kafka import Kafka, delete_topics
from deploy.local.servers.obtain import (
    RunningKafka,
    RunningPostgres,
    RunningZipkin,
    obtain_kafka,
    obtain_postgres,
    obtain_zipkin,
)
from deploy.local.servers.postgres import Postgres, create_database, drop_database
from tests.support.containers import NoEngine, kafka_container, postgres_container
from tests.support.paths import ROOT

T = TypeVar("T")
DatabaseMaker = Callable[[str], Awaitable[str]]


def must(start: Callable[[], T]) -> T:
    """Start a part; where it cannot be had, skip with the reason (which `--ci` turns into a failure)."""
    try:
        return start()
    except (StartFailed, JarsMissing) as error:
        pytest.skip(str(error))


@contextmanager
def contained(container: AbstractContextManager[T]) -> Iterator[T]:
    """The container, or the end of the session with the reason."""
    try:
        with container as running:
            yield running
    except NoEngine as error:
        pytest.exit(str(error), returncode=4)


@pytest.fixture(scope="session")
def state() -> Iterator[StateFolder]:
    """The folder of this session's servers; another session at the same time has its own."""
    claimed = claim_any(ROOT / ".lixiao" / "test")
    yield claimed
    claimed.release()


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where the jars are kept, shared with `make demo`."""
    return cache_folder(ROOT / ".lixiao")


@pytest.fixture(scope="session")
def postgres(state: StateFolder, pytestconfig: pytest.Config) -> Iterator[RunningPostgres]:
    """A PostgreSQL for the session. It does not wait for the disk: a test that kills it takes `own_postgres`."""
    if pytestconfig.getoption("--containers"):
        with contained(postgres_container()) as container:
            yield container
        return
    running = must(lambda: obtain_postgres(state.folder, durable=False))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def kafka(state: StateFolder, cache: Path, pytestconfig: pytest.Config) -> Iterator[RunningKafka]:
    """A Kafka broker for the session. Others use it at the same time: a test that stops it takes `own_kafka`."""
    if pytestconfig.getoption("--containers"):
        with contained(kafka_container()) as container:
            yield container
        return
    running = must(lambda: obtain_kafka(state.folder, cache))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def zipkin(state: StateFolder, cache: Path) -> Iterator[RunningZipkin]:
    """A trace collector for the session."""
    running = must(lambda: obtain_zipkin(state.folder, cache))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def own_postgres(state: StateFolder) -> Iterator[Postgres]:
    """A durable PostgreSQL of this module's own, to kill, pause and start again. Leave it running."""
    server = Postgres(state.folder / f"own-{secrets.token_hex(3)}" / "postgres")
    yield must(server.start)
    server.stop()
    clean(server.folder.parent)


@pytest.fixture(scope="module")
def own_kafka(state: StateFolder, cache: Path) -> Iterator[Kafka]:
    """A broker of this module's own, to kill, pause and start again. Leave it running."""
    broker = Kafka(state.folder / f"own-{secrets.token_hex(3)}" / "kafka", cache)
    yield must(broker.start)
    broker.stop()
    clean(broker.folder.parent)


@pytest.fixture(scope="session")
async def make_database(postgres: RunningPostgres) -> AsyncIterator[DatabaseMaker]:
    """`await make_database("library")`: the DSN of a new empty database whose name starts so, dropped at the end."""
    made: list[str] = []

    async def make(name: str = "test") -> str:
        made.append(f"{name}_{secrets.token_hex(4)}")
        return await create_database(postgres.dsn, made[-1])

    yield make
    for name in made:
        await drop_database(postgres.dsn, name)


@pytest.fixture
async def database(postgres: RunningPostgres) -> AsyncIterator[str]:
    """The DSN of a new empty database, dropped after the test."""
    name = f"test_{secrets.token_hex(4)}"
    yield await create_database(postgres.dsn, name)
    await drop_database(postgres.dsn, name)


@pytest.fixture
async def namespace(kafka: RunningKafka) -> AsyncIterator[str]:
    """A prefix of topics (`<namespace>.<producer>.<subject>.v1`) of its own; they are deleted after."""
    prefix = f"t{secrets.token_hex(3)}"
    yield prefix
    await delete_topics(kafka.address, prefix)
