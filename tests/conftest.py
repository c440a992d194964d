"""What every test may ask for: a real PostgreSQL, a real Kafka broker, a trace collector, and names of its own.

Servers are started once a session, when the first test asks, in `.lixiao/test`; LIXIAO_POSTGRES, LIXIAO_KAFKA and
LIXIAO_ZIPKIN name running ones instead. A server that cannot be had skips its tests with the reason on a laptop, and
fails them where CI=true.
"""

import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.jars import JarsMissing, cache_folder
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres, create_database, drop_database
from deploy.local.processes import StartFailed
from deploy.local.running import (
    RunningKafka,
    RunningPostgres,
    RunningZipkin,
    obtain_kafka,
    obtain_postgres,
    obtain_zipkin,
)
from deploy.local.state import State, claim_any, clean
from tests.containers import NoEngine, kafka_container, postgres_container

TESTS = Path(__file__).parent
ROOT = TESTS.parent
LEVELS = ("unit", "contract", "component", "system", "simulation", "faults", "browser")
CI = os.environ.get("CI", "").lower() in ("true", "1", "yes")

hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
if not CI:
    # With CI=true Hypothesis loads a profile of its own: the same examples at every run, and untimed as well.
    hypothesis.settings.load_profile("untimed")

T = TypeVar("T")
DatabaseMaker = Callable[[str], Awaitable[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--level unit --level contract` runs these folders only; `--ci` makes a missing part a failure."""
    group = parser.getgroup("lixiao")
    group.addoption("--level", action="append", choices=LEVELS, help="run tests of this folder only; may be repeated")
    group.addoption("--containers", action="store_true", help="PostgreSQL and Kafka as containers of a Docker engine")
    group.addoption("--ci", action="store_true", default=CI, help="a skipped test fails (as with CI=true)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its folder, keep the wanted folders, and run the quick ones first."""
    for item in items:
        item.add_marker(level_of(item.path))
    wanted = config.getoption("--level")
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if level_of(item.path) not in wanted])
        items[:] = [item for item in items if level_of(item.path) in wanted]
    items.sort(key=lambda item: LEVELS.index(level_of(item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: what was not run was not shown."""
    report = yield
    if item.config.getoption("--ci") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI skips nothing: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tests and seconds by level, for the reader who asks where the time goes."""
    count: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                level = level_of(ROOT / report.nodeid.split("::")[0])
                seconds[level] += report.duration
                count[level] += report.when == "call"
    if count:
        terminalreporter.section("tests by level")
        for level in (level for level in LEVELS if count[level]):
            terminalreporter.line(f"{level:<12}{count[level]:>6} tests{seconds[level]:>9.1f} s")


def level_of(path: Path) -> str:
    """The level of a test file: the folder below tests/. Raises UsageError for one that lies elsewhere."""
    level = path.relative_to(TESTS).parts[0]
    if level not in LEVELS:
        raise pytest.UsageError(f"{path}: tests lie in tests/<level>/, with a level of {', '.join(LEVELS)}.")
    return level


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
def state() -> Iterator[State]:
    """The folder of this session's servers; another session at the same time has its own."""
    claimed = claim_any(ROOT / ".lixiao" / "test")
    yield claimed
    claimed.release()


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where the jars are kept, shared with `make demo`."""
    return cache_folder(ROOT / ".lixiao")


@pytest.fixture(scope="session")
def postgres(state: State, pytestconfig: pytest.Config) -> Iterator[RunningPostgres]:
    """A PostgreSQL for the session. It does not wait for the disk: a test that kills it takes `own_postgres`."""
    if pytestconfig.getoption("--containers"):
        with contained(postgres_container()) as container:
            yield container
        return
    running = must(lambda: obtain_postgres(state.folder, durable=False))
    yield running
    if running.server:
        running.server.stop()


@pytest.fixture(scope="session")
def kafka(state: State, cache: Path, pytestconfig: pytest.Config) -> Iterator[RunningKafka]:
    """A Kafka broker for the session. Others use it at the same time: a test that stops it takes `own_kafka`."""
    if pytestconfig.getoption("--containers"):
        with contained(kafka_container()) as container:
            yield container
        return
    running = must(lambda: obtain_kafka(state.folder, cache))
    yield running
    if running.broker:
        running.broker.stop()


@pytest.fixture(scope="session")
def zipkin(state: State, cache: Path) -> Iterator[RunningZipkin]:
    """A trace collector for the session."""
    running = must(lambda: obtain_zipkin(state.folder, cache))
    yield running
    if running.server:
        running.server.stop()


@pytest.fixture(scope="module")
def own_postgres(state: State) -> Iterator[Postgres]:
    """A durable PostgreSQL of this module's own, to kill, pause and start again. Leave it running."""
    server = Postgres(state.folder / f"own-{secrets.token_hex(3)}" / "postgres")
    yield must(server.start)
    server.stop()
    clean(server.folder.parent)


@pytest.fixture(scope="module")
def own_kafka(state: State, cache: Path) -> Iterator[Kafka]:
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


async def delete_topics(address: str, prefix: str) -> None:
    """Delete every topic of a namespace: a long session would drown its broker in old partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        old = [topic for topic in await admin.list_topics() if topic.startswith(f"{prefix}.")]
        if old:
            await admin.delete_topics(old, timeout_ms=10_000)
    finally:
        await admin.close()
