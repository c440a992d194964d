"""A gateway with the operator ports of a department and the clearance behind it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from deploy.local.identity.people import Person
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.names import OPERATOR
from services.kit.postgres.migrations import migrate
from tests.support.gateway.operated import operated
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE
from tests.support.servers.fixtures import DatabaseMaker

OPERATES = Person(sub="operates", name="程以恒", roles=(OPERATOR,))
PAGES = iter(PEOPLE[:3])
"""Students who look at their own page."""
TRACES = "https://traces.example/trace/{trace_id}"


@dataclass(frozen=True)
class Operated:
    gateway: RunningGateway
    library: str
    """Its database."""


@pytest.fixture(scope="package")
async def installed(make_database: DatabaseMaker) -> AsyncIterator[Operated]:
    names = ("gateway", "clearance", "library")
    database, read_model, library = [await make_database(name) for name in names]
    await migrate(read_model, CLEARANCE_FOLDERS)
    await migrate(library, DEPARTMENT_FOLDERS)
    with (
        operated(library, read_model) as services,
        running_gateway(database, read_model, (OPERATES, *PEOPLE[:3]), operated=services, trace_ui=TRACES) as running,
    ):
        yield Operated(running, library)


@pytest.fixture
def gateway(installed: Operated) -> RunningGateway:
    return installed.gateway


@pytest.fixture
def library(installed: Operated) -> str:
    return installed.library


@pytest.fixture
async def csrf(browser: BrowserClient) -> str:
    await browser.sign_in(OPERATES, place="operator")
    found = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/operator")).text)
    assert found is not None
    return found[1]
