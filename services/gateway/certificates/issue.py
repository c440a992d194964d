"""The desk's checks and handovers, in the audit log and the outbox; the clearance decides, once a student."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from schemas.events import CertificateIssueAsked
from schemas.topics import Topics
from services.gateway.certificates.handover import Handover, Outcome, outcome, refusal
from services.gateway.certificates.verification import Finding
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import CertificateIssue, SubmissionRecord
from services.gateway.tables.commands import SOURCE
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
        self, account: str, record: SubmissionRecord, handover: Handover
    ) -> tuple[SubmissionRecord, Outcome]:
        """The record afterwards. The request is sent unless `refusal` has a reason."""
        refused = refusal(handover, record)
        if refused is not None:
            return record, refused
        if record.issue is None:
            await self._request(account, record, handover)
            record = replace(record, issue=await self._issue_of(record.published.student_id))
        return record, outcome(record, handover.command_id)

    async def _request(self, account: str, record: SubmissionRecord, handover: Handover) -> None:
        published, now = record.published, datetime.now(UTC)
        event = CertificateIssueAsked(
            command_id=handover.command_id,
            student_id=published.student_id,
            form_number=published.form_number,
            asked_by=account,
            taken_by=handover.taken_by,
            proxy_name=handover.proxy_name or None,
            asked_at=now,
        )

        async def work() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                key = published.student_id
                await append(connection, topic=self._topics.command, key=key, event=event, source=SOURCE, now=now)
                await log.append_entry(
                    connection,
                    actor=account,
                    act="certificate.ask",
                    outcome="asked",
                    student_id=published.student_id,
                    details={
                        "command": handover.command_id,
                        "form": published.form_number,
                        "taken_by": handover.taken_by.value,
                        "exceptions": len(record.exceptions),
                    },
                )

        await bounded(work(), timeout_s=10)
        self._wakeup.notify()

    async def _issue_of(self, student_id: str) -> CertificateIssue | None:
        end = time.monotonic() + WAIT_S
        while True:
            issue = await self._records.issue_of(student_id)
            if issue is not None or time.monotonic() > end:
                return issue
            await asyncio.sleep(_POLL_S)
