"""A mail server and the notice service that sends to it, shared by the tests of a module."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.servers.kafka import RunningKafka, delete_topics
from tests.support.notices.mail_server import MailServer, mail_server
from tests.support.notices.running import FROM, RunningNotices, running_notices
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
async def notices(
    make_database: DatabaseMaker,
    kafka: RunningKafka,
    mails: MailServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[RunningNotices]:
    """With the module's `SETTINGS`, if it has any."""
    namespace = f"t{abs(hash(request.module.__name__)) % 16**6:06x}"
    settings = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mails.port,
        "smtp_tls": "none",
        "mail_from": FROM,
        **getattr(request.module, "SETTINGS", {}),
    }
    folder = tmp_path_factory.mktemp("notices")
    database = await make_database("notices")
    async with running_notices(database, kafka.address, namespace, folder, **settings) as running:
        yield running
    await delete_topics(kafka.address, namespace)
