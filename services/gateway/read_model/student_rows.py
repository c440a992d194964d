"""A student's row of the read model into a snapshot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, CaseState, CheckStatus, Reason
from services.gateway.read_model.signed_form import payload_of, student_of
from services.gateway.read_model.status_texts import read_status
from services.gateway.read_model.types import (
    ROSTER,
    Attempt,
    Attested,
    Case,
    FormVoid,
    OpenException,
    ReceivedStatus,
    StudentSnapshot,
    StudentWaivers,
    Submission,
)
from services.kit.rules.waivers import Attribute, Waiver, waiver_list

Row: TypeAlias = asyncpg.Record | Mapping[str, Any]

_ATTRIBUTES: Final = tuple(name.value for name in Attribute)
_reasons: TypeAdapter[dict[str, tuple[Reason, ...]]] = TypeAdapter(dict[str, tuple[Reason, ...]])
_reason_list: TypeAdapter[tuple[Reason, ...]] = TypeAdapter(tuple[Reason, ...])
_checks: TypeAdapter[tuple[CheckStatus, ...]] = TypeAdapter(tuple[CheckStatus, ...])


@dataclass(frozen=True, slots=True)
class StudentRows:
    """`former`: of the person's former numbers. Two that are equal are the same student in the same state."""

    own: Row | None = None
    former: tuple[Row, ...] = ()

    def content(self) -> tuple[Any, ...]:
        """All but the alive marks."""
        return tuple(tuple(row.values())[:-1] for row in self._rows())

    def alive_marks(self) -> tuple[datetime | None, ...]:
        """Of the departments, in the order of `content`."""
        return tuple(mark for row in self._rows() for mark in row["alive_as_of"] or ())

    def former_numbers(self) -> tuple[str, ...]:
        return tuple(row["student_id"] for row in self.former)

    def _rows(self) -> tuple[Row, ...]:
        return (self.own, *self.former) if self.own is not None else ()

    def snapshot(self) -> StudentSnapshot:
        return _snapshot(self.own, self.former) if self.own is not None else StudentSnapshot(None)


def _snapshot(row: Row, former: Sequence[Row] = ()) -> StudentSnapshot:
    statuses: dict[str, ReceivedStatus] = {}
    unreadable: set[str] = set()
    columns = ("departments", "statuses", "received_at", "readable", "alive_as_of")
    for department, text, *of_status in zip(*(row[name] or () for name in columns), strict=True):
        status = read_status(text, row["student_id"], department) if text is not None else None
        if status is None:
            unreadable.add(department)
        else:
            statuses[department] = ReceivedStatus(status, *of_status)
    attributes = {name: row[name] for name in _ATTRIBUTES}
    known = row["state"] is not None
    return StudentSnapshot(
        case_of(row) if known else None,
        statuses,
        frozenset(unreadable),
        _attempt(row) if row["attempt_id"] is not None else None,
        tuple(_submission(form) for form in json.loads(row["forms"])) if row["forms"] else (),
        StudentWaivers(attributes, read_waivers(row["exemptions"])) if known else StudentWaivers(),
        tuple((one["student_id"], _snapshot(one)) for one in former),
    )


def case_of(row: Row) -> Case:
    return Case(
        student_id=row["student_id"],
        version=row["case_version"],
        state=CaseState(row["state"]),
        name=row["name"] or "",
        gender=row["gender"] or "",
        grade=row["grade"] or "",
        college=row["college"] or "",
        major=row["major"] or "",
        enrolled_on=row["enrolled_on"],
        leave_category=row["leave_category"] or "",
        opened_on=row["opened_on"],
        case_number=row["case_number"],
    )


def _attempt(row: Row) -> Attempt:
    answers = {name: _outcome(answer) for name, answer in _document(row["answers"]).items()}
    return Attempt(
        attempt_id=row["attempt_id"],
        state=AttemptState(row["attempt_state"]),
        opened_at=row["opened_at"],
        ended_at=row["ended_at"],
        cause=row["cause"] or "",
        objections=_reasons.validate_python(_document(row["objections"])),
        answers={name: outcome for name, outcome in answers.items() if outcome is not None},
    )


def _outcome(answer: Any) -> AttestationOutcome | None:
    outcome = answer.get("outcome") if isinstance(answer, Mapping) else answer
    return AttestationOutcome(outcome) if outcome in set(AttestationOutcome) else None


def _submission(form: dict[str, Any]) -> Submission:
    """`form`: JSON, so with texts for instants."""
    for name in ("accepted_at", "issued_at", "voided_at"):
        form[name] = datetime.fromisoformat(form[name]) if form[name] else None
    return Submission(
        attempt_id=UUID(form["attempt_id"]),
        form_number=form["form_number"],
        accepted_at=form["accepted_at"],
        code=form["code"],
        qr_text=form["qr_text"] or "",
        facts=attested_facts(form["facts"]),
        issued_at=form["issued_at"],
        exceptions=tuple(open_exception(one) for one in form["exceptions"] or ()),
        student=student_of(payload_of(form["receipt"])),
        case_number=form["case_number"],
        void=form_void(form),
        replaces=form["replaces"] or "",
        waivers=waiver_list.validate_python(form["waivers"] or ()),
    )


def open_exception(row: Row) -> OpenException:
    """Of a row of `published.exception_v2`."""
    at = row["opened_at"]
    return OpenException(
        row["name"],
        row["department"] or ROSTER,
        _reason_list.validate_python(_parsed(row["reasons"])),
        datetime.fromisoformat(at) if isinstance(at, str) else at,
        row["former_number"] or "",
    )


def form_void(row: Row) -> FormVoid | None:
    """Of a row of `published.submission_v2`."""
    if row["voided_at"] is None:
        return None
    return FormVoid(row["voided_at"], row["void_reason"], row["replaced_by"] or "")


def attested_facts(value: Any) -> dict[str, Attested]:
    """`published.submission_v2.facts`, by department."""
    return {name: _attested(document) for name, document in _document(value).items()}


def _attested(document: Mapping[str, Any]) -> Attested:
    at = document.get("attested_at")
    return Attested(
        version=int(document.get("version", 0)),
        checks=_checks.validate_python(document.get("checks", ())),
        attested_at=datetime.fromisoformat(at) if at else None,
    )


def read_waivers(text: str | None) -> tuple[Waiver, ...]:
    """asyncpg returns JSON as text."""
    return waiver_list.validate_json(text) if text else ()


def _document(value: Any) -> dict[str, Any]:
    document = _parsed(value)
    return document if isinstance(document, dict) else {}


def _parsed(value: Any) -> Any:
    """asyncpg returns JSON as text."""
    return json.loads(value) if isinstance(value, str) else value
