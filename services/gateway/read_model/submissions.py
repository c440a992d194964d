"""Accepted submissions in the published views."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
from joserfc.jwk import OKPKey

from schemas.events import DocumentSeal, TakenBy
from services.gateway.read_model.student_rows import attested_facts, form_void, open_exception, read_waivers
from services.gateway.read_model.types import (
    CertificateIssue,
    FormHolder,
    IssuedCertificate,
    IssueUndo,
    PublishedSubmission,
    Submission,
    SubmissionRecord,
)
from services.gateway.timeouts import bounded
from services.kit.http.problems import Problem
from services.kit.postgres.pool import DATABASE_ERRORS, Connection
from services.kit.receipts.jws import public_keys
from services.kit.rules.waivers import Waiver

MAX_RECENT: Final = 50
_LAST: Final = "\U0010ffff"
_SUBMISSION: Final = """
SELECT student_id, case_number, attempt_id, form_number, accepted_at, code, receipt, facts, replaces, voided_at,
       void_reason, replaced_by
FROM published.submission_v2 WHERE form_number = $1
"""
_ISSUES: Final = """
SELECT issued_at, issued_by, issued_to, proxy_name, issue.command_id, confirmed, reason, undone_at, undone_by,
       undo_reason, undo_command_id, document_key, document_hash
FROM published.issue_v2 AS issue LEFT JOIN published.issue_document_v1 AS document USING (form_number, number)
WHERE form_number = $1 ORDER BY number
"""
_EXCEPTIONS: Final = """
SELECT name, department, reasons, opened_at, former_number FROM published.exception_v2
WHERE form_number = $1 AND closed_at IS NULL ORDER BY opened_at
"""
_ANSWERED: Final = """
SELECT coalesce((SELECT cause FROM published.desk_refusal_v1 WHERE command_id = $1), '') AS cause,
       EXISTS (SELECT FROM published.issue_v2 WHERE form_number = $2 AND $1 IN (command_id, undo_command_id)) AS done
"""
_RECENT: Final = """
SELECT form_number, issued_at, issued_to, proxy_name, case_v1.name
FROM published.issue_v2 JOIN published.case_v1 USING (student_id)
WHERE issued_by = $1 AND issued_at >= $2 AND undone_at IS NULL ORDER BY issued_at DESC LIMIT $3
"""
_HOLDERS: Final = """
SELECT student_id, name, college, major,
       coalesce((SELECT form_number FROM published.submission_v1 AS form
                 WHERE form.student_id = found.student_id), '') AS form_number
FROM published.case_v1 AS found
"""
_FORMER: Final = "SELECT receipt FROM published.former_signature_v1 WHERE form_number = $1"
_REVOKED: Final = "SELECT kid FROM published.revoked_key_v1"
_KEYS: Final = "SELECT public_jwk FROM published.signing_key_v1 ORDER BY created_at"

T = TypeVar("T")


class SubmissionRecords:
    """Methods raise a 503 `Problem` while the read model is unavailable."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def jwks(self) -> list[dict[str, Any]]:
        """The public keys that verify, retired ones too."""

        async def work(connection: Connection) -> list[dict[str, Any]]:
            return [json.loads(row["public_jwk"]) for row in await connection.fetch(_KEYS)]

        return await self._read(work)

    async def keys(self) -> dict[str, OKPKey]:
        """`jwks` by `kid`."""
        return public_keys(await self.jwks())

    async def revoked(self) -> frozenset[str]:
        """The kids of keys that were listed once."""

        async def work(connection: Connection) -> frozenset[str]:
            return frozenset(row["kid"] for row in await connection.fetch(_REVOKED))

        return await self._read(work)

    async def by_number(self, form_number: str) -> SubmissionRecord | None:
        async def work(connection: Connection) -> SubmissionRecord | None:
            row = await connection.fetchrow(_SUBMISSION, form_number)
            if row is None:
                return None
            issues = await connection.fetch(_ISSUES, form_number)
            exceptions = await connection.fetch(_EXCEPTIONS, form_number)
            former = tuple(one["receipt"] for one in await connection.fetch(_FORMER, form_number))
            waivers = await _waivers_of_attempt(connection, row["attempt_id"])
            return _record(row, issues, exceptions, waivers, former)

        return await self._read(work)

    async def holder(self, student_id: str) -> FormHolder | None:
        """None for a number that was never on the roster."""

        async def work(connection: Connection) -> FormHolder | None:
            row = await connection.fetchrow(f"{_HOLDERS} WHERE student_id = $1", student_id)
            return FormHolder(**row) if row else None

        return await self._read(work)

    async def holders_named(self, beginning: str, colleges: Sequence[str] | None = None) -> tuple[FormHolder, ...]:
        """Whose name begins so, at most `MAX_RECENT`; of these colleges, of all where it is None."""

        async def work(connection: Connection) -> tuple[FormHolder, ...]:
            # By bytes, as the index is.
            where = "WHERE name ~>=~ $1 AND name ~<~ $2 AND ($4::text[] IS NULL OR college = any($4))"
            order = "ORDER BY name, student_id LIMIT $3"
            of = None if colleges is None else list(colleges)
            rows = await connection.fetch(f"{_HOLDERS} {where} {order}", beginning, beginning + _LAST, MAX_RECENT, of)
            return tuple(FormHolder(**row) for row in rows)

        return await self._read(work)

    async def answer_of(self, command_id: UUID, form_number: str) -> str | None:
        """What a desk's command came to: the cause of a refusal, or empty. None while it is not decided."""

        async def work(connection: Connection) -> str | None:
            row = await connection.fetchrow(_ANSWERED, command_id, form_number)
            assert row is not None
            return row["cause"] if row["cause"] or row["done"] else None

        return await self._read(work)

    async def handed_over_by(self, account: str, since: datetime) -> tuple[IssuedCertificate, ...]:
        """Newest first, at most `MAX_RECENT`."""

        async def work(connection: Connection) -> tuple[IssuedCertificate, ...]:
            rows = await connection.fetch(_RECENT, account, since, MAX_RECENT)
            return tuple(
                IssuedCertificate(
                    row["form_number"], row["name"], row["issued_at"], TakenBy(row["issued_to"]), row["proxy_name"]
                )
                for row in rows
            )

        return await self._read(work)

    async def _read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def inside() -> T:
            async with (
                self._pool.acquire(timeout=2) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                return await work(connection)

        try:
            return await bounded(inside())
        except DATABASE_ERRORS as error:
            raise Problem(
                503,
                "unreadable",
                title="Submissions cannot be read now",
                detail="No form can be verified while this lasts. Retry after the time in Retry-After.",
                headers={"Retry-After": "10"},
            ) from error


def _record(
    row: asyncpg.Record,
    issues: list[asyncpg.Record],
    exceptions: list[asyncpg.Record],
    waivers: tuple[Waiver, ...],
    former: tuple[str, ...],
) -> SubmissionRecord:
    facts = attested_facts(row["facts"])
    number, code, at, replaces = row["form_number"], row["code"], row["accepted_at"], row["replaces"] or ""
    return SubmissionRecord(
        published=PublishedSubmission(
            row["student_id"], number, code, at, row["receipt"], facts, waivers, replaces, former
        ),
        submission=Submission(
            row["attempt_id"],
            number,
            at,
            code,
            "",
            facts,
            waivers=waivers,
            case_number=row["case_number"],
            void=form_void(row),
            replaces=replaces,
        ),
        issues=tuple(_issue(one) for one in issues),
        exceptions=tuple(open_exception(one) for one in exceptions),
    )


def _issue(row: asyncpg.Record) -> CertificateIssue:
    undo = None
    if row["undone_at"] is not None:
        undo = IssueUndo(row["undone_at"], row["undone_by"], row["undo_reason"], row["undo_command_id"])
    return CertificateIssue(
        row["issued_at"],
        row["issued_by"],
        TakenBy(row["issued_to"]),
        row["proxy_name"],
        row["command_id"],
        tuple(json.loads(row["confirmed"])),
        row["reason"],
        undo,
        DocumentSeal(key=row["document_key"], hash=row["document_hash"]) if row["document_key"] else None,
    )


async def _waivers_of_attempt(connection: Connection, attempt_id: Any) -> tuple[Waiver, ...]:
    found = "SELECT waivers FROM published.attempt_waiver_v1 WHERE attempt_id = $1"
    return read_waivers(await connection.fetchval(found, attempt_id))
