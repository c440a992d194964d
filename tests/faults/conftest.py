"""One installation for all fault tests, on a broker of its own that may be stopped."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.processes.state_folder import StateFolder, clean
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.server import Running
from deploy.local.services import IDENTITY
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.servers.fixtures import must


@pytest.fixture(scope="package")
def broker(state: StateFolder) -> Iterator[Kafka]:
    """A broker that no other test uses. Leave it running."""
    kafka = Kafka(state.folder / f"own-{secrets.token_hex(3)}")
    yield must(lambda: kafka.start().wait_ready())
    kafka.kill()
    clean(kafka.folder.parent)


@pytest.fixture(scope="package")
async def observed(
    postgres: Running, broker: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ObservedInstallation]:
    """Every service under observation. A test leaves everything running."""
    observed = ObservedInstallation(tmp_path_factory.mktemp("faults"), postgres=postgres.address, kafka=broker.address)
    try:
        await observed.begin(IDENTITY)
        yield observed
    finally:
        await observed.close()
