"""A gateway with the clearance's roster behind it, and people with and without the graduate school's role."""

from collections.abc import AsyncIterator

import pytest

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.roster.school import COUNSELLOR, SCHOOL, School
from tests.component.gateway.routes.staff.working import CERTIFICATES, LIBRARY, STUDENT
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.roster import served_roster
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    people = (SCHOOL, COUNSELLOR, LIBRARY, CERTIFICATES, STUDENT)
    with (
        served_roster(read_model) as roster,
        running_gateway(database, read_model, people, roster=roster) as running,
    ):
        yield running


@pytest.fixture
def clearance(gateway: RunningGateway) -> ReadModelWriter:
    return ReadModelWriter(gateway.read_model)


@pytest.fixture
async def school(browser: BrowserClient) -> School:
    return await School.signed_in(browser, SCHOOL)
