"""Whose record it is: any changed bit is noticed, and only keys that are believed count."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Unreadable
from services.kit.signing import keys
from services.kit.signing.keys import PrivateKey, TrustedKeys, create_key
from services.kit.signing.records import RecordSigner, RecordVerifier, signed_message

TOPIC, KEY, VALUE = "t.dorm.attestation.v1", b"TS1", b'{"outcome":"clear"}'
SENDERS = {TOPIC: "dorm"}


class Service:
    """A service's signer, and the folder of keys that others believe."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.trusted = folder, folder / "trusted"

    def signer(self, name: str) -> RecordSigner:
        private = self.folder / f"{name}.pem"
        if not private.exists():
            create_key(private, self.trusted, name)
        return RecordSigner(PrivateKey(private), lambda topic: True)


@pytest.fixture(autouse=True)
def _read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "READ_AGAIN_EVERY_S", 0.0)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def record(
    headers: Sequence[tuple[str, bytes | None]], topic: str = TOPIC, key: bytes = KEY, value: bytes | None = VALUE
) -> ConsumerRecord:
    return cast(Any, SimpleNamespace(topic=topic, key=key, value=value, headers=headers))


def test_a_record_of_its_sender_is_believed_and_a_tombstone_too(service: Service) -> None:
    signer = service.signer("dorm")
    verify = RecordVerifier(TrustedKeys(service.trusted), SENDERS)
    verify(record(signer.headers(TOPIC, KEY, VALUE)))
    verify(record((("content-type", b"x"), *signer.headers(TOPIC, KEY, None)), value=None))


@pytest.mark.parametrize(
    "changed", [{"value": VALUE + b" "}, {"value": None}, {"value": b""}, {"key": b"TS2"}], ids=lambda each: repr(each)
)
def test_a_signature_is_of_one_record(service: Service, changed: dict[str, Any]) -> None:
    headers = service.signer("dorm").headers(TOPIC, KEY, VALUE)
    with pytest.raises(Unreadable, match="not dorm's for this record"):
        RecordVerifier(TrustedKeys(service.trusted), SENDERS)(record(headers, **changed))


def test_a_signature_for_another_topic_does_not_count(service: Service) -> None:
    headers = service.signer("dorm").headers("t.dorm.answer.v1", KEY, VALUE)
    with pytest.raises(Unreadable, match="for this record"):
        RecordVerifier(TrustedKeys(service.trusted), SENDERS)(record(headers))


def test_another_services_key_does_not_count(service: Service) -> None:
    service.signer("dorm")
    headers = service.signer("finance").headers(TOPIC, KEY, VALUE)
    with pytest.raises(Unreadable, match="no key of dorm that is believed"):
        RecordVerifier(TrustedKeys(service.trusted), SENDERS)(record(headers))


def test_a_topic_nobody_is_known_to_write_to_is_not_believed(service: Service) -> None:
    headers = service.signer("dorm").headers("other", KEY, VALUE)
    with pytest.raises(Unreadable, match="no service"):
        RecordVerifier(TrustedKeys(service.trusted), SENDERS)(record(headers, topic="other"))


@pytest.mark.parametrize("value", [None, b"", b"no colon", b"k:###", b"\xff:AAAA", b"0011223344556677:AAAA"])
def test_a_header_that_is_no_signature_is_refused(service: Service, value: bytes | None) -> None:
    service.signer("dorm")
    verify = RecordVerifier(TrustedKeys(service.trusted), SENDERS)
    for headers in ((("signature", value),), ()):
        with pytest.raises(Unreadable, match="^signature: "):
            verify(record(headers))


def test_two_signatures_are_none(service: Service) -> None:
    headers = service.signer("dorm").headers(TOPIC, KEY, VALUE)
    with pytest.raises(Unreadable, match="has none"):
        RecordVerifier(TrustedKeys(service.trusted), SENDERS)(record((*headers, *headers)))


def test_a_key_is_rotated_and_revoked_while_everything_runs(service: Service) -> None:
    signer, verify = service.signer("dorm"), RecordVerifier(TrustedKeys(service.trusted), SENDERS)
    old = signer.headers(TOPIC, KEY, VALUE)
    old_file = next((service.trusted / "dorm").glob("*.pem"))
    create_key(service.folder / "dorm.pem", service.trusted, "dorm")
    new = signer.headers(TOPIC, KEY, VALUE)
    assert new != old
    verify(record(old))
    verify(record(new))
    old_file.unlink()
    verify(record(new))
    with pytest.raises(Unreadable, match="no key of dorm"):
        verify(record(old))


def test_a_public_key_has_the_name_of_its_id(service: Service) -> None:
    service.signer("dorm")
    other = Ed25519PrivateKey.generate().public_key()
    file = service.trusted / "dorm" / "0011223344556677.pem"
    file.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ValueError, match="no Ed25519 key of this id"):
        TrustedKeys(service.trusted)


def test_a_file_that_is_no_key_changes_nothing_while_a_service_runs(service: Service) -> None:
    signer, verify = service.signer("dorm"), RecordVerifier(TrustedKeys(service.trusted), SENDERS)
    headers = signer.headers(TOPIC, KEY, VALUE)
    file = next((service.trusted / "dorm").glob("*.pem"))
    (service.trusted / "dorm" / "0011223344556677.pem").write_bytes(file.read_bytes()[:40])
    (service.folder / "dorm.pem").write_bytes(b"")
    verify(record(headers))
    verify(record(signer.headers(TOPIC, KEY, VALUE)))
    file.unlink()
    with pytest.raises(Unreadable, match="no key of dorm"):
        verify(record(headers))


Parts = st.tuples(st.text(), st.binary(), st.none() | st.binary())


@given(Parts, Parts)
def test_no_two_records_have_one_message(
    one: tuple[str, bytes, bytes | None], other: tuple[str, bytes, bytes | None]
) -> None:
    assert (signed_message(*one) == signed_message(*other)) == (one == other)
