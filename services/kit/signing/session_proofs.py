"""Proof that a person's session asked for a command, signed by a key that is derived from the session's id.

The browser holds the id and the gateway's database a hash of it: neither a copy of that database nor the gateway's key
for records makes a proof in somebody's session. The key's public part is in the audit entry of the session's start.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.codec import Unreadable
from schemas.events import (
    TYPE_OF,
    CertificateIssueAsked,
    CertificateIssueUndoAsked,
    CommandAsked,
    Message,
    ReminderAsked,
    SessionProof,
    SubmitAsked,
)

_PURPOSE: Final = "lixiao session proof 1"
# Each has an id of its own, and one is done once. Not `asked_at`, which the database sets.
_SIGNED: Final[dict[type[Message], tuple[str, ...]]] = {
    SubmitAsked: ("command_id", "student_id"),
    CommandAsked: ("command_id", "student_id", "department", "command"),
    CertificateIssueAsked: (
        "command_id",
        "student_id",
        "form_number",
        "asked_by",
        "taken_by",
        "proxy_name",
        "confirmed",
        "reason",
    ),
    CertificateIssueUndoAsked: (
        "command_id",
        "student_id",
        "form_number",
        "issue_command_id",
        "asked_by",
        "reason",
    ),
    ReminderAsked: ("command_id", "reminder_id", "student_id", "checks", "asked_by"),
}
# Behind them, where the command has them: fields that commands from before do not have.
_SIGNED_IF_GIVEN: Final[dict[type[Message], tuple[str, ...]]] = {CertificateIssueAsked: ("proxy_document",)}
Asked = SubmitAsked | CommandAsked | CertificateIssueAsked | CertificateIssueUndoAsked | ReminderAsked
A = TypeVar("A", bound=Message)


class SessionKey:
    """`seed`: 32 bytes that only who has the session's id can derive."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> str:
        return _text(self._key.public_key().public_bytes_raw())

    def prove(self, event: A) -> A:
        proof = SessionProof(key=self.public, signature=_text(self._key.sign(_statement(event))))
        return event.model_copy(update={"session": proof})


def check_proof(event: object, *, required: bool) -> None:
    """Raises `Unreadable` for a command without its proof, if it is required, or with that of another command."""
    if not isinstance(event, Asked):
        return
    if event.session is None:
        if required:
            raise Unreadable("session: the command shows no session that asked for it")
        return
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes(event.session.key))
        key.verify(_bytes(event.session.signature), _statement(event))
    except (InvalidSignature, ValueError):
        raise Unreadable("session: the proof is not of this command") from None


def session_key_of(event: Asked) -> dict[str, str]:
    """For the details of the audit entry of what was done; to be compared with the session's start at the gateway."""
    return {"session_key": event.session.key} if event.session else {}


def _statement(event: Message) -> bytes:
    """As a JSON array: purpose, the event's type, its signed fields in their order."""
    given = (name for name in _SIGNED_IF_GIVEN.get(type(event), ()) if getattr(event, name) is not None)
    fields = (*_SIGNED[type(event)], *given)
    values = event.model_dump(mode="json", include=set(fields))
    return json.dumps([_PURPOSE, TYPE_OF[type(event)], *(values[name] for name in fields)]).encode()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
