"""The clearance's tables and journal."""

import json
from typing import Any

from services.kit.postgres.pool import Connection
from services.kit.rules.reasons import CHANGE_WAITING
from tests.support.checker.collect.service import service_tables
from tests.support.checker.evidence.facts import (
    AttemptChange,
    Attested,
    ExceptionWrite,
    Fact,
    FormVoided,
    Issued,
    IssueUndone,
    SubmissionInsert,
    ViewWrite,
)
from tests.support.checker.evidence.tables import (
    Attempt,
    ClearanceTables,
    ExceptionRow,
    ExemptionRow,
    NewestStatus,
    Submission,
)


async def clearance_tables(connection: Connection) -> ClearanceTables:
    return ClearanceTables(
        service=await service_tables(connection, _clearance_fact),
        view=await _view(connection),
        attempts=await _attempts(connection),
        answers=await _answers(connection),
        submissions=await _submissions(connection),
        exceptions=await _exceptions(connection),
        exemptions=await _exemptions(connection),
        keys=await _keys(connection),
    )


async def _view(connection: Connection) -> dict[tuple[str, str], NewestStatus]:
    rows = await connection.fetch("SELECT student_id, department, version, status, readable FROM published.status_v1")
    return {
        (row["student_id"], row["department"]): NewestStatus(
            row["version"], row["status"] or "", clear=False, readable=row["readable"]
        )
        for row in rows
    }


async def _attempts(connection: Connection) -> dict[str, Attempt]:
    rows = await connection.fetch("SELECT * FROM attempt LEFT JOIN attempt_waiver USING (attempt_id)")
    return {str(row["attempt_id"]): _attempt(row) for row in rows}


def _attempt(row: Any) -> Attempt:
    waivers = json.loads(row["waivers"] or "[]")
    return Attempt(
        student_id=row["student_id"],
        state=row["state"],
        required=frozenset(row["required"]),
        cause=row["cause"],
        objections=frozenset(
            name
            for name, reasons in json.loads(row["objections"]).items()
            if CHANGE_WAITING.code not in {reason["code"] for reason in reasons}
        ),
        waived=tuple((one["department"], one["check"], one["kind"]) for one in waivers),
        opened_at=row["opened_at"],
        ended_at=row["ended_at"],
        part_of=str(row["parent_id"] or ""),
    )


async def _answers(connection: Connection) -> dict[tuple[str, str], Attested]:
    rows = await connection.fetch("SELECT answer.*, student_id FROM answer JOIN attempt USING (attempt_id)")
    return {(str(row["attempt_id"]), row["department"]): _answer(row) for row in rows}


def _answer(row: Any) -> Attested:
    version = json.loads(row["said"])["version"]
    return Attested(0, row["student_id"], str(row["attempt_id"]), row["outcome"] == "clear", version)


async def _submissions(connection: Connection) -> tuple[Submission, ...]:
    rows = await connection.fetch("SELECT * FROM published.submission_v2")
    return tuple(
        Submission(
            student_id=row["student_id"],
            attempt_id=str(row["attempt_id"]),
            form_number=row["form_number"],
            facts=json.loads(row["facts"]),
            receipt=row["receipt"],
            case_number=row["case_number"],
            void=row["voided_at"] is not None,
            replaces=row["replaces"],
        )
        for row in rows
    )


async def _exceptions(connection: Connection) -> tuple[ExceptionRow, ...]:
    rows = await connection.fetch("SELECT * FROM exception WHERE ordinal = 0")
    return tuple(
        ExceptionRow(str(row["attempt_id"]), row["department"], row["version"], row["closed_at"] is None)
        for row in rows
    )


async def _exemptions(connection: Connection) -> tuple[ExemptionRow, ...]:
    rows = await connection.fetch(
        "SELECT student_id, department, check_name AS check, made_at, ends_at, withdrawn_at FROM exemption"
    )
    return tuple(ExemptionRow(**dict(row)) for row in rows)


async def _keys(connection: Connection) -> tuple[dict[str, Any], ...]:
    rows = await connection.fetch("SELECT kid, public_jwk FROM published.signing_key_v1")
    return tuple({**json.loads(row["public_jwk"]), "kid": row["kid"]} for row in rows)


def _clearance_fact(row: Any, said: dict[str, Any]) -> Fact | None:
    tx = row["tx"]
    match row["what"]:
        case "status" if row["how"] != "DELETE":
            return ViewWrite(tx, said["student_id"], said["department"], said["version"])
        case "attempt":
            return AttemptChange(tx, said["student_id"], said["attempt_id"], said["state"])
        case "submission" if row["how"] == "INSERT":
            number = said["case_number"]
            return SubmissionInsert(tx, said["student_id"], said["attempt_id"], said["form_number"], number)
        case "form_void":
            return FormVoided(tx, said["student_id"], said["attempt_id"])
        case "exception":
            return ExceptionWrite(tx, said["attempt_id"], said["name"], said["closed_at"] is None)
        case "roster_exception":
            return ExceptionWrite(tx, said["attempt_id"], f"roster {said['number']}", said["closed_at"] is None)
        case "issue":
            return Issued(tx, said["attempt_id"], said["number"], frozenset(said["confirmed"]))
        case "issue_undo":
            return IssueUndone(tx, said["attempt_id"], said["number"])
    return None
