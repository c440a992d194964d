"""A broker of these tests' own, with every way to prove who a client is."""

import json
import secrets
from collections.abc import Iterator

import pytest
from joserfc.jwk import KeySet, RSAKey

from deploy.local.processes.state_folder import StateFolder, clean
from tests.support.certificates import Authority
from tests.support.servers.fixtures import must
from tests.support.servers.tls_kafka import TlsKafka


@pytest.fixture(scope="package")
def first() -> Authority:
    return Authority("first")


@pytest.fixture(scope="package")
def token_key() -> RSAKey:
    """Of whoever issues tokens."""
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


@pytest.fixture(scope="package")
def broker(state: StateFolder, first: Authority, token_key: RSAKey) -> Iterator[TlsKafka]:
    broker = TlsKafka(state.folder / f"own-{secrets.token_hex(3)}")
    broker.trust(first)
    broker.believe(json.dumps(KeySet([token_key]).as_dict(private=False)))
    yield must(lambda: broker.start().wait_ready())
    broker.stop()
    clean(broker.folder.parent)
