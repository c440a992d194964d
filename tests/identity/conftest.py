"""Real identity providers, each started once and for its own tests, and gateways at which people sign in with them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import StateFolder
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.identity.apereo_cas import ApereoCas
from tests.support.identity.keycloak import CLIENT, Keycloak
from tests.support.identity.web_browser import WebBrowser
from tests.support.servers.fixtures import DatabaseMaker, must

GatewayMaker = Callable[..., Awaitable[RunningGateway]]
PATIENT_S = 30.0
"""For the provider's answers, on a machine that does much else."""


@pytest.fixture(scope="module")
async def keycloak(state: StateFolder) -> AsyncIterator[Keycloak]:
    started = must(lambda: Keycloak(state.folder))
    try:
        await started.start()
    except StartFailed as error:
        pytest.skip(str(error))
    yield started
    await started.stop()


@pytest.fixture(scope="module")
def cas(state: StateFolder) -> Iterator[ApereoCas]:
    started = must(lambda: ApereoCas(state.folder))
    must(started.start)
    yield started
    started.process.stop()


@pytest.fixture(scope="module")
async def make_gateway(make_database: DatabaseMaker) -> AsyncIterator[GatewayMaker]:
    async with AsyncExitStack() as running:

        async def make(**settings: Any) -> RunningGateway:
            database, read_model = await make_database("gateway"), await make_database("clearance")
            await migrate(read_model, CLEARANCE_FOLDERS)
            given = {"sign_in_timeout_s": PATIENT_S, **settings}
            return running.enter_context(running_gateway(database, read_model, (), **given))

        yield make


@pytest.fixture(scope="module")
async def keycloak_gateway(keycloak: Keycloak, make_gateway: GatewayMaker) -> RunningGateway:
    """Which asks about the roles of staff at every request."""
    gateway = await make_gateway(**openid(keycloak), roles_check_s=1.0)
    await keycloak.register(gateway.address)
    return gateway


@pytest.fixture(scope="module")
async def cas_gateway(cas: ApereoCas, make_gateway: GatewayMaker) -> RunningGateway:
    return await make_gateway(sign_in="cas", cas_server=cas.address)


@pytest.fixture
async def at_keycloak(keycloak_gateway: RunningGateway) -> AsyncIterator[WebBrowser]:
    async with WebBrowser(keycloak_gateway.address) as browser:
        yield browser


@pytest.fixture
async def at_cas(cas_gateway: RunningGateway) -> AsyncIterator[WebBrowser]:
    async with WebBrowser(cas_gateway.address) as browser:
        yield browser


def openid(keycloak: Keycloak) -> dict[str, Any]:
    """The gateway's settings, as in the documents."""
    return {
        "openid_issuer": keycloak.issuer,
        "openid_client_id": CLIENT["clientId"],
        "openid_client_secret": CLIENT["secret"],
    }
