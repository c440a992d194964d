"""A gateway with clerks, and a genuine form."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.desk.clerks import BOTH, CLERKS, STUDENTS, clerks
from tests.support.gateway.read_model import ReadModelWriter, SignedForm, carrying
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="package")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (*CLERKS, *STUDENTS, BOTH)) as running:
        yield running


@pytest.fixture
def clerk() -> Person:
    return next(clerks)


@pytest.fixture
async def signed(clearance: ReadModelWriter) -> SignedForm:
    """A genuine form."""
    return await clearance.accept_signed(new_student_id())


@pytest.fixture
async def carried(gateway: RunningGateway, clearance: ReadModelWriter) -> AsyncIterator[None]:
    """What the desks ask reaches the clearance, as over the broker."""
    async with carrying(gateway, clearance):
        yield
