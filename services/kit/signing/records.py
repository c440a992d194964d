"""Signatures of records: over topic, key and value as they are sent, in the header `signature` as `<key id>:<base64>`.

Status records carry none: a check costs several times what the projector spends on one, and no status leads to an
acceptance or a hand-over by itself.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import ConsumerRecord
from cryptography.exceptions import InvalidSignature

from schemas.codec import Unreadable
from services.kit.signing.keys import PrivateKey, TrustedKeys

HEADER: Final = "signature"
_PURPOSE: Final = b"lixiao record 1"

Verify = Callable[[ConsumerRecord], None]
"""Raises `Unreadable`."""


def signed_message(topic: str, key: bytes, value: bytes | None) -> bytes:
    """Each part with its length, so that no two records have one message."""
    parts = (_PURPOSE, topic.encode(), key, b"" if value is None else b"\x01" + value)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class RecordSigner:
    """`signed`: of which topics."""

    def __init__(self, key: PrivateKey, signed: Callable[[str], bool]) -> None:
        self._key, self._signed = key, signed

    def headers(self, topic: str, key: bytes, value: bytes | None) -> tuple[tuple[str, bytes], ...]:
        if not self._signed(topic):
            return ()
        kid, signature = self._key.sign(signed_message(topic, key, value))
        return ((HEADER, f"{kid}:".encode() + b64encode(signature)),)


class RecordVerifier:
    """`senders`: topic → the one service that writes there."""

    def __init__(self, trusted: TrustedKeys, senders: Mapping[str, str]) -> None:
        self._trusted, self._senders = trusted, senders

    def __call__(self, record: ConsumerRecord) -> None:
        sender = self._senders.get(record.topic)
        if sender is None:
            raise Unreadable("signature: no service is known to write to this topic")
        kid, signature = _read(record)
        key = self._trusted.find(sender, kid)
        if key is None:
            raise Unreadable(f"signature: no key of {sender} that is believed has this id")
        try:
            key.verify(signature, signed_message(record.topic, record.key or b"", record.value))
        except InvalidSignature:
            raise Unreadable(f"signature: it is not {sender}'s for this record") from None


def _read(record: ConsumerRecord) -> tuple[str, bytes]:
    found = [value for name, value in record.headers if name == HEADER]
    if len(found) != 1 or found[0] is None:
        raise Unreadable("signature: the record has none")
    kid, _, encoded = found[0].partition(b":")
    try:
        return kid.decode("ascii"), b64decode(encoded, validate=True)
    except (NotBase64, UnicodeDecodeError):
        raise Unreadable("signature: it is not a key's id and base64") from None
