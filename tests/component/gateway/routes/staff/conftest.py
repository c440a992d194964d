"""A gateway with two departments' desks behind it, and people with and without their roles."""

from collections.abc import AsyncIterator

import pytest

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.staff.working import (
    CERTIFICATES,
    EVERYWHERE,
    FINANCE,
    LIBRARY,
    STUDENT,
    STUDENTS,
    AtWork,
)
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.staff import ServedDesk, addresses, served_desks
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def desks(make_database: DatabaseMaker) -> AsyncIterator[dict[str, ServedDesk]]:
    with served_desks({name: await make_database(name) for name in ("library", "finance")}) as served:
        yield served


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, desks: dict[str, ServedDesk]) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    people = (LIBRARY, FINANCE, EVERYWHERE, CERTIFICATES, STUDENT, *STUDENTS)
    with running_gateway(database, read_model, people, desks=addresses(desks)) as running:
        yield running


@pytest.fixture
def clearance(gateway: RunningGateway) -> ReadModelWriter:
    return ReadModelWriter(gateway.read_model)


@pytest.fixture
async def library(browser: BrowserClient) -> AtWork:
    return await AtWork.signed_in(browser, LIBRARY, "library")
