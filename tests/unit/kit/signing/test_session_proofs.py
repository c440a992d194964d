"""A command shows the session that asked for it: no other session's proof and no other command's counts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas import events
from schemas.codec import Unreadable, encode, read
from schemas.events import (
    CertificateIssueAsked,
    CertificateIssueUndoAsked,
    CommandAsked,
    DocumentSeal,
    Message,
    ReminderAsked,
    SubmitAsked,
    TakenBy,
)
from services.gateway.tables.sessions.session import Session, hashed
from services.gateway.tables.sessions.session_secrets import session_key
from services.kit.signing.session_proofs import SessionKey, check_proof, session_key_of

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
COMMAND = UUID("44887ecc-eb2c-54ee-b437-725bbcb48b2f")
ABOUT: dict[str, Any] = {"command_id": COMMAND, "student_id": "TS20260001", "asked_at": NOW}
SUBMIT = SubmitAsked(**ABOUT)
CANCEL = CommandAsked(**ABOUT, department="library", command="cancel-card")
ISSUE = CertificateIssueAsked(
    **ABOUT,
    form_number="LX2026-1",
    asked_by="clerk",
    taken_by=TakenBy.PROXY,
    proxy_name="司马䶮",
    confirmed=("finance 4",),
    reason="见函",
)
UNDO = CertificateIssueUndoAsked(
    **ABOUT, form_number="LX2026-1", issue_command_id=uuid4(), asked_by="clerk", reason="误点"
)
EXAMPLES = Path(events.__file__).parent / "examples"
REMIND = ReminderAsked(**ABOUT, reminder_id=uuid4(), checks={"library": ("borrowing",)}, asked_by="clerk")
SEALED = ISSUE.model_copy(update={"proxy_document": DocumentSeal(key="2026-06", hash="0a" * 32)})
EVERY = (SUBMIT, CANCEL, ISSUE, UNDO, REMIND)
KEY = SessionKey(b"k" * 32)
OTHER: dict[str, Any] = {
    "command_id": uuid4(),
    "student_id": "TS20260002",
    "department": "dorm",
    "command": "give-up-bed",
    "form_number": "LX2026-2",
    "issue_command_id": uuid4(),
    "asked_by": "another",
    "taken_by": TakenBy.SELF,
    "proxy_name": None,
    "confirmed": (),
    "reason": "另一",
    "proxy_document": DocumentSeal(key="2026-06", hash="9f" * 32),
    "reminder_id": uuid4(),
    "checks": {"library": ("thesis",)},
}
CHANGES = [(event, name) for event in EVERY for name in type(event).model_fields if name not in ("asked_at", "session")]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_a_proven_command_is_believed_after_its_way_through_kafka(event: Message) -> None:
    proven = KEY.prove(event)
    check_proof(read(encode(proven, event_id=uuid4(), source="/lixiao/gateway", time=NOW)), required=True)


@pytest.mark.parametrize("change", [None, DocumentSeal(key="2026-12", hash="0a" * 32)])
def test_the_proof_of_a_hand_over_is_of_the_proxys_document_too(change: DocumentSeal | None) -> None:
    check_proof(KEY.prove(SEALED), required=True)
    with pytest.raises(Unreadable):
        check_proof(KEY.prove(SEALED).model_copy(update={"proxy_document": change}), required=True)


@pytest.mark.parametrize(
    ("event", "name"), CHANGES, ids=lambda one: one if isinstance(one, str) else type(one).__name__
)
def test_the_proof_of_another_command_is_refused_whichever_field_differs(event: Message, name: str) -> None:
    changed = KEY.prove(event).model_copy(update={name: OTHER[name]})
    with pytest.raises(Unreadable, match="session: the proof is not of this command"):
        check_proof(changed, required=False)


def test_the_same_fields_in_another_type_of_command_need_another_proof() -> None:
    submit = SUBMIT.model_copy(update={"session": KEY.prove(CANCEL).session})
    with pytest.raises(Unreadable):
        check_proof(submit, required=False)


def test_a_proof_under_another_sessions_key_is_refused() -> None:
    proof = KEY.prove(SUBMIT).session
    assert proof is not None
    swapped = proof.model_copy(update={"key": SessionKey(b"o" * 32).public})
    with pytest.raises(Unreadable):
        check_proof(SUBMIT.model_copy(update={"session": swapped}), required=False)


def test_a_command_without_proof_is_refused_only_where_it_is_required() -> None:
    check_proof(SUBMIT, required=False)
    with pytest.raises(Unreadable, match="session: the command shows no session"):
        check_proof(SUBMIT, required=True)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/*with-the-proof-of-a-session.json")), ids=str)
def test_a_proof_of_the_contracts_examples_verifies(file: Path) -> None:
    check_proof(read(file.read_bytes()), required=True)


def test_what_is_no_command_needs_no_proof() -> None:
    check_proof(b"a batch of raw records", required=True)


def test_the_audit_gets_the_key_and_the_key_is_one_for_each_session_id() -> None:
    assert session_key_of(KEY.prove(SUBMIT)) == {"session_key": KEY.public}
    assert session_key_of(SUBMIT) == {}
    assert session_key("s" * 43).public == session_key("s" * 43).public != session_key("t" * 43).public


def test_a_session_found_by_its_hash_alone_proves_nothing() -> None:
    session = Session(hashed("s" * 43), "TS20260001", "csrf", NOW, NOW)
    with pytest.raises(ValueError, match="without its id"):
        session.prove(SUBMIT)
    assert "s" * 43 not in repr(Session(b"", "", "", NOW, NOW, secret="s" * 43))
