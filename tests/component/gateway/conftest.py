"""A running gateway for each file, a provider that misbehaves, and somebody new for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.identity.people import Person
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.gateway.hostile_provider import Hostile, hostile_gateway, running_provider
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE, STAFF
from tests.support.servers.fixtures import DatabaseMaker

_free = iter(PEOPLE)


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(
        database, read_model, (*PEOPLE, STAFF), stream_session_check_s=1.0, command_resend_s=3600, command_life_s=90_000
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def hostile_gate(make_database: DatabaseMaker, serving: Hostile) -> AsyncIterator[RunningGateway]:
    """A gateway at which people sign in with the provider that misbehaves."""
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with hostile_gateway(database, read_model, serving) as running:
        yield running


@pytest.fixture
def clearance(gateway: RunningGateway) -> ReadModelWriter:
    return ReadModelWriter(gateway.read_model)


@pytest.fixture
async def browser(gateway: RunningGateway) -> AsyncIterator[BrowserClient]:
    opened = BrowserClient(gateway)
    yield opened
    await opened.close()


@pytest.fixture
def person() -> Person:
    """Somebody no other test uses."""
    return next(_free)


@pytest.fixture(scope="module")
def serving() -> Iterator[Hostile]:
    with running_provider() as hostile:
        yield hostile


@pytest.fixture
def hostile(serving: Hostile) -> Hostile:
    """The running provider, behaving well until the test says otherwise."""
    serving.behave()
    return serving
