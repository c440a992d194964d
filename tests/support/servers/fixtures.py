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
from deploy.local.servers.jars import cache_folder
from deploy.local.servers.kafka import Kafka, RunningKafka, delete_topics
from deploy.local.servers.postgres import Postgres, create_database, drop_database
from deploy.local.servers.server import Running, obtain
from deploy.local.servers.zipkin import Zipkin
from tests.support.paths import ROOT
from tests.support.servers.containers import NoEngine, kafka_container, postgres_container
from tests.support.servers.warm_start.processes import warm_services

T = TypeVar("T")
DatabaseMaker = Callable[[str], Awaitable[str]]


def must(start: Callable[[], T]) -> T:
    """Start a part; where it cannot be had, skip with the reason (which `--ci` turns into a failure)."""
    try:
        return start()
    except StartFailed as error:
        pytest.skip(str(error))


@contextmanager
def contained(container: AbstractContextManager[T]) -> Iterator[T]:
    """The container, or the end of the session with the reason."""
    try:
        with container as running:
            yield running
    except NoEngine as error:
        pytest.exit(str(error), returncode=4)


@pytest.fixture(scope="session", autouse=True)
def services_start_warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Services are forked from a process that has imported them."""
    with warm_services(tmp_path_factory.mktemp("templates")):
        yield


@pytest.fixture(scope="session")
def state() -> Iterator[StateFolder]:
    """The folder of this session's servers; another session at the same time has its own."""
    with claim_any(ROOT / ".lixiao" / "test") as claimed:
        yield claimed


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where the jars are kept, shared with `make demo`."""
    return cache_folder()


@pytest.fixture(scope="session")
def postgres(state: StateFolder, pytestconfig: pytest.Config) -> Iterator[Running]:
    """A PostgreSQL for the session. It does not wait for the disk: a test that kills it takes `own_postgres`."""
    if pytestconfig.getoption("--containers"):
        with contained(postgres_container()) as container:
            yield container
        return
    running = must(lambda: obtain(Postgres(state.folder, durable=False)))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def kafka(state: StateFolder, pytestconfig: pytest.Config) -> Iterator[RunningKafka]:
    """A Kafka broker for the session. Others use it at the same time: a test that stops it takes `own_kafka`."""
    if pytestconfig.getoption("--containers"):
        with contained(kafka_container()) as container:
            yield container
        return
    running = must(lambda: obtain(Kafka(state.folder)))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def zipkin(state: StateFolder) -> Iterator[Running]:
    """A trace collector for the session."""
    running = must(lambda: obtain(Zipkin(state.folder)))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def own_postgres(state: StateFolder) -> Iterator[Postgres]:
    """A durable PostgreSQL of this module's own, to kill, pause and start again. Leave it running."""
    server = Postgres(state.folder / f"own-{secrets.token_hex(3)}")
    yield must(lambda: server.start().wait_ready())
    server.stop()
    clean(server.folder.parent)


@pytest.fixture(scope="module")
def own_kafka(state: StateFolder) -> Iterator[Kafka]:
    """A broker of this module's own, to kill, pause and start again. Leave it running."""
    broker = Kafka(state.folder / f"own-{secrets.token_hex(3)}")
    yield must(lambda: broker.start().wait_ready())
    broker.stop()
    clean(broker.folder.parent)


@pytest.fixture(scope="session")
async def make_database(postgres: Running) -> AsyncIterator[DatabaseMaker]:
    """`await make_database("library")`: the DSN of a new empty database whose name starts so, dropped at the end."""
    made: list[str] = []

    async def make(name: str = "test") -> str:
        made.append(f"{name}_{secrets.token_hex(4)}")
        return await create_database(postgres.address, made[-1])

    yield make
    for name in made:
        await drop_database(postgres.address, name)


@pytest.fixture
async def database(postgres: Running) -> AsyncIterator[str]:
    """The DSN of a new empty database, dropped after the test."""
    name = f"test_{secrets.token_hex(4)}"
    yield await create_database(postgres.address, name)
    await drop_database(postgres.address, name)


@pytest.fixture
async def namespace(kafka: RunningKafka) -> AsyncIterator[str]:
    """A prefix of topics (`<namespace>.<producer>.<subject>.v1`) of its own; they are deleted after."""
    prefix = f"t{secrets.token_hex(3)}"
    yield prefix
    await delete_topics(kafka.address, prefix)
