"""The provider on a real port, and an HTTP client that keeps no cookies."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from deploy.local.identity.app import Provider, create_app
from deploy.local.identity.pages import Pages
from deploy.local.identity.settings import Client
from tests.support.servers.live_server import live_server
from tests.support.signing_in import CALLBACK, CLIENT, COHORT, STAFF, STUDENT

OTHER = Client(
    client_id="another", client_secret=SecretStr("other"), redirect_uris=(CALLBACK, "https://another.example/")
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    pages = Pages("示例大学", "Example University")
    people = (STUDENT, STAFF, *COHORT)
    with live_server(lambda address: create_app(Provider(address, people, (CLIENT, OTHER), pages))) as address:
        yield address
