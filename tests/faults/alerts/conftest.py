"""Three watched services for the tests of one file; their databases can be made slow."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.server import Running
from deploy.observability.alerts import ALERTS
from schemas.flows import CLEARANCE, GATEWAY
from tests.faults.alerts.watching import SOON
from tests.support.servers.prometheus import Prometheus
from tests.support.servers.slow_database import SlowingProxy
from tests.support.servers.tcp_proxy import serving
from tests.support.status_command import InstallationCommands

RUN: Final = ("library", CLEARANCE, GATEWAY)
BRISK: Final = {"LIXIAO_ALIVE_EVERY_S": "1", "LIXIAO_DIGEST_EVERY_S": "2", "LIXIAO_ATTEMPT_LIFE_S": "2"}


@pytest.fixture(scope="module")
async def proxy(postgres: Running) -> AsyncIterator[tuple[SlowingProxy, str]]:
    """On the way to every database, and its address."""
    async with serving(SlowingProxy, postgres.address) as made:
        yield made


@pytest.fixture(scope="module")
async def watched(
    proxy: tuple[SlowingProxy, str], broker: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One department, the clearance and the gateway. Nobody judges: a test leaves what no service would write."""
    folder = tmp_path_factory.mktemp("watched")
    settings = {**BRISK, "LIXIAO_KEYS": str(folder / "keys")}
    installation = Installation(folder, postgres=proxy[1], kafka=broker.address, settings=settings)
    try:
        await installation.provision()
        await installation.start(*RUN)
        yield installation
    finally:
        await installation.close()


@pytest.fixture(scope="module")
async def prometheus(watched: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    soon = tuple(replace(alert, above=SOON[alert.name], for_s=0) if alert.name in SOON else alert for alert in ALERTS)
    targets = {name: watched.operator_address(name) for name in RUN}
    # The proxy goes on meanwhile.
    started = await asyncio.to_thread(Prometheus(tmp_path_factory.mktemp("prometheus"), targets, soon).start)
    yield started
    started.stop()


@pytest.fixture(scope="module")
async def commands(watched: Installation) -> InstallationCommands:
    """An operator's, who looks at the department and the clearance."""
    bound = f"{SOON['DepartmentSilent']}"
    return InstallationCommands(watched, ("library", CLEARANCE), LIXIAO_FRESHNESS_BOUND_S=bound)
