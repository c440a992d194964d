from collections.abc import AsyncIterator

import pytest

from deploy.local.servers.server import Running
from tests.support.clearance.reconciled import Reconciled, reconciled
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture
async def both(
    database: str, make_database: DatabaseMaker, kafka: Running, namespace: str
) -> AsyncIterator[Reconciled]:
    async with reconciled(await make_database("library"), database, kafka.address, namespace) as made:
        yield made
