"""The desk's checks, hand-overs and their undoing, in the audit log and the outbox; the clearance decides."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from schemas.events import CertificateIssueAsked, CertificateIssueUndoAsked
from schemas.topics import Topics
from services.gateway.certificates.handover import (
    Handover,
    Outcome,
    Undo,
    outcome,
    refusal,
    undo_outcome,
    undo_refusal,
)
from services.gateway.certificates.verification import Finding
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import SubmissionRecord
from services.gateway.tables.commands import SOURCE
from services.gateway.tables.sessions.session import Session
from services.gateway.timeouts import bounded
from services.kit.audit import log
from services.kit.messaging.outbox import Wakeup, append

WAIT_S: Final = 5.0
_POLL_S: Final = 0.1


class CertificateIssueRequests:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]", topics: Topics, wakeup: Wakeup, records: SubmissionRecords) -> None:
        self._pool = pool
        self._topics = topics
        self._wakeup = wakeup
        self._records = records

    async def log_check(self, account: str, finding: Finding, record: SubmissionRecord | None) -> None:
        """To be called before the outcome is shown."""
        details: dict[str, Any] = {}
        if record is not None:
            details["form"] = record.published.form_number
            details["exceptions"], details["issued"] = len(record.exceptions), record.issue is not None

        async def work() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await log.append_entry(
                    connection,
                    actor=account,
                    act="form.check",
                    outcome=finding.value,
                    student_id=record.published.student_id if record else None,
                    details=details,
                )

        await bounded(work())

    async def hand_over(
        self, clerk: Session, record: SubmissionRecord, handover: Handover
    ) -> tuple[SubmissionRecord, Outcome]:
        """The record afterwards. The request is sent unless `refusal` has a reason."""
        refused = refusal(handover, record)
        if refused is not None:
            await self._log_refused(clerk.account, "certificate.ask", record, refused)
            return record, refused
        cause = ""
        if record.issue is None:
            await self._send(clerk, _issue_asked(clerk.account, record, handover), "certificate.ask", record)
            record, cause = await self._answered(record, handover.command_id)
        return record, outcome(record, handover.command_id, cause)

    async def undo(self, clerk: Session, record: SubmissionRecord, undo: Undo) -> tuple[SubmissionRecord, Outcome]:
        """As `hand_over`."""
        refused = undo_refusal(undo, record)
        if refused is not None:
            await self._log_refused(clerk.account, "certificate.ask-undo", record, refused)
            return record, refused
        cause = ""
        if record.issue is not None:
            await self._send(clerk, _undo_asked(clerk.account, record, undo), "certificate.ask-undo", record)
            record, cause = await self._answered(record, undo.command_id)
        return record, undo_outcome(record, undo.command_id, cause)

    async def _log_refused(self, account: str, act: str, record: SubmissionRecord, refused: Outcome) -> None:
        async def work() -> None:
            form = record.published
            async with self._pool.acquire() as connection:
                await log.append_entry(
                    connection,
                    actor=account,
                    act=act,
                    outcome=refused.value,
                    student_id=form.student_id,
                    details={"form": form.form_number},
                )

        await bounded(work())

    async def _send(
        self,
        clerk: Session,
        event: CertificateIssueAsked | CertificateIssueUndoAsked,
        act: str,
        record: SubmissionRecord,
    ) -> None:
        details: dict[str, Any] = {
            "command": event.command_id,
            "form": event.form_number,
            "reason": event.reason or "",
            "session": clerk.handle,
        }
        if isinstance(event, CertificateIssueAsked):
            details["taken_by"] = event.taken_by.value
            if event.proxy_document is not None:
                details["document_key"] = event.proxy_document.key
            details["exceptions"], details["confirmed"] = len(record.exceptions), sorted(event.confirmed)

        async def work() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                topic, key, now = self._topics.command, event.student_id, event.asked_at
                await append(connection, topic=topic, key=key, event=clerk.prove(event), source=SOURCE, now=now)
                await log.append_entry(
                    connection,
                    actor=event.asked_by,
                    act=act,
                    outcome="asked",
                    student_id=event.student_id,
                    details=details,
                )

        await bounded(work(), timeout_s=10)
        self._wakeup.notify()

    async def _answered(self, record: SubmissionRecord, command_id: UUID) -> tuple[SubmissionRecord, str]:
        """The record after the clearance's answer, or as it is when that takes too long; a refusal's cause."""
        number, end = record.published.form_number, time.monotonic() + WAIT_S
        cause = await self._records.answer_of(command_id, number)
        while cause is None and time.monotonic() < end:
            await asyncio.sleep(_POLL_S)
            cause = await self._records.answer_of(command_id, number)
        return await self._records.by_number(number) or record, cause or ""


def _issue_asked(account: str, record: SubmissionRecord, handover: Handover) -> CertificateIssueAsked:
    return CertificateIssueAsked(
        command_id=handover.command_id,
        student_id=record.published.student_id,
        form_number=record.published.form_number,
        asked_by=account,
        taken_by=handover.taken_by,
        proxy_name=handover.proxy_name or None,
        confirmed=tuple(sorted(one.name for one in record.exceptions)),
        reason=handover.reason if record.exceptions else None,
        proxy_document=handover.document,
        asked_at=datetime.now(UTC),
    )


def _undo_asked(account: str, record: SubmissionRecord, undo: Undo) -> CertificateIssueUndoAsked:
    return CertificateIssueUndoAsked(
        command_id=undo.command_id,
        student_id=record.published.student_id,
        form_number=record.published.form_number,
        issue_command_id=undo.of,
        asked_by=account,
        reason=undo.reason,
        asked_at=datetime.now(UTC),
    )
