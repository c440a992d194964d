"""The running clearance, anew for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.servers.kafka import RunningKafka
from tests.support.clearance.running import Service, running_clearance


@pytest.fixture
async def service(database: str, kafka: RunningKafka, namespace: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running_clearance(database, kafka, namespace, tmp_path) as made:
        yield made
