from collections.abc import AsyncIterator

import pytest

from deploy.local.servers.kafka import RunningKafka
from tests.support.clearance.reconciled import Reconciled, reconciled
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture
async def both(
    database: str, make_database: DatabaseMaker, kafka: RunningKafka, namespace: str
) -> AsyncIterator[Reconciled]:
    """The department does not hear that it is asked, so that a finding stays open."""
    async with reconciled(await make_database("library"), database, kafka.address, namespace, healing=False) as made:
        yield made


@pytest.fixture
async def healing(
    database: str, make_database: DatabaseMaker, kafka: RunningKafka, namespace: str
) -> AsyncIterator[Reconciled]:
    async with reconciled(await make_database("library"), database, kafka.address, namespace) as made:
        yield made
