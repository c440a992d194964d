"""Installations that tests share, so that their processes are started once, and their last words when a test fails."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.browser.journey_data import CLERK
from tests.support.observability.otlp import Otlp

LINES = 25


@pytest.fixture(scope="package")
async def otlp() -> AsyncIterator[Otlp]:
    """A collector that takes OTLP."""
    async with Otlp() as collector:
        yield collector


@pytest.fixture(scope="package")
async def installation(
    postgres: Running, kafka: RunningKafka, zipkin: Running, otlp: Otlp, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Every service with traces, by both protocols. No test stops a process of it or touches its positions."""
    installation = Installation(
        tmp_path_factory.mktemp("installation"),
        postgres=postgres.address,
        kafka=kafka.address,
        zipkin=zipkin.address,
        settings={"OTEL_TRACES_EXPORTER": "otlp,zipkin", "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.address},
    )
    installation.people.append(CLERK)
    await installation.provision()
    try:
        await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()


@pytest.fixture(scope="package")
async def _core(
    postgres: Running, kafka: RunningKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    # Its tests count versions and leave what nobody can read: reconciliation would publish it again, sooner or later.
    installation = Installation(
        tmp_path_factory.mktemp("core"),
        postgres=postgres.address,
        kafka=kafka.address,
        settings={"LIXIAO_DIGEST_EVERY_S": "3600"},
    )
    await installation.provision()
    try:
        yield installation
    finally:
        await installation.close()


@pytest.fixture
async def core(_core: Installation) -> Installation:
    """One department, the library, and the clearance, both running: for tests that kill them and move positions."""
    missing = [name for name in ("library", CLEARANCE) if name not in _core.processes]
    await _core.start(*missing)
    return _core


@pytest.fixture
async def whole(
    postgres: Running, kafka: RunningKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Every service, for one test that may stop and restore any; attempts live longer than the test."""
    installation = Installation(tmp_path_factory.mktemp("whole"), postgres=postgres.address, kafka=kafka.address)
    await installation.provision()
    try:
        await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()
