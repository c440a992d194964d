"""What the certificate desk does, written down: its checks in the audit, its handing over in the audit and the outbox.

The desk asks and the clearance decides, once for each student; the outcome is read from the published view.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from schemas.events import CertificateIssueAsked, TakenBy
from schemas.topics import Topics
from services.gateway.certificates.verification import Finding
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import CertificateIssue, SubmissionRecord
from services.gateway.tables.commands import SOURCE
from services.gateway.timeouts import bounded
from services.kit.audit import log
from services.kit.messaging.outbox import Wakeup, append

WAIT_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.1


class CertificateIssueRequests:
    """The desk's writes. They raise what `services.kit.postgres.pool.transient` calls the moment's fault."""

    def __init__(self, pool: "asyncpg.Pool[Any]", topics: Topics, bell: Wakeup, register: SubmissionRecords) -> None:
        self._pool = pool
        self._topics = topics
        self._bell = bell
        self._register = register

    async def checked(self, account: str, finding: Finding, registered: SubmissionRecord | None) -> None:
        """Record that `account` checked a form, before it is told anything."""
        details: dict[str, Any] = {}
        if registered is not None:
            details["form"] = registered.record.form_number
            details["exceptions"], details["issued"] = len(registered.exceptions), registered.issue is not None

        async def work() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await log.append_entry(
                    connection,
                    actor=account,
                    act="form.check",
                    outcome=finding.value,
                    student_id=registered.record.student_id if registered else None,
                    details=details,
                )

        await bounded(work())

    async def ask(
        self, account: str, registered: SubmissionRecord, command_id: UUID, taken_by: TakenBy, proxy_name: str | None
    ) -> None:
        """Ask the clearance to mark the certificates as collected. Asking again with the same id is the same."""
        record, now = registered.record, datetime.now(UTC)
        event = CertificateIssueAsked(
            command_id=command_id,
            student_id=record.student_id,
            form_number=record.form_number,
            asked_by=account,
            taken_by=taken_by,
            proxy_name=proxy_name,
            asked_at=now,
        )

        async def work() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                key = record.student_id
                await append(connection, topic=self._topics.command, key=key, event=event, source=SOURCE, now=now)
                await log.append_entry(
                    connection,
                    actor=account,
                    act="certificate.ask",
                    outcome="asked",
                    student_id=record.student_id,
                    details={
                        "command": command_id,
                        "form": record.form_number,
                        "taken_by": taken_by.value,
                        "exceptions": len(registered.exceptions),
                    },
                )

        await bounded(work(), timeout_s=10)
        self._bell.ring()

    async def outcome(self, student_id: str, wait_s: float = WAIT_S) -> CertificateIssue | None:
        """What the clearance marked, or None when it has marked nothing within `wait_s`."""
        end = time.monotonic() + wait_s
        while True:
            issue = await self._register.issue_of(student_id)
            if issue is not None or time.monotonic() > end:
                return issue
            await asyncio.sleep(_LOOK_EVERY_S)
