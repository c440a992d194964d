"""The notice service over a real broker and a real database, told of events as the other services would."""

import json
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx
import structlog

from schemas.codec import CONTENT_TYPE, TOMBSTONE_HEADERS, encode
from schemas.events import (
    CaseChanged,
    CaseState,
    CheckStatus,
    Message,
    Reason,
    ReminderAsked,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    Verdict,
)
from schemas.flows import source_of
from schemas.topics import Topics
from services.kit.http.access.auth import token_sha256
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.names import CONTACTS, REMINDERS
from services.kit.observability import telemetry
from services.kit.provisioning.topics import create_topics
from services.notices.app import notices_app
from services.notices.settings import NoticeSettings
from tests.support.waiting import eventually

PAGE: Final = "https://lixiao.example.edu"
FROM: Final = "离校服务 <notices@example.edu>"
TOKEN: Final = "token-of-contacts"
_HEADERS: Final = (("content-type", CONTENT_TYPE.encode()),)
BLOCKED: Final = Reason(code="arrears", parameters={"count": 1, "total": "72.40"})
UNKNOWN: Final = Reason(code="no-data")


@dataclass
class RunningNotices:
    dsn: str
    topics: Topics
    publisher: BatchProducer
    http: httpx.AsyncClient
    versions: dict[tuple[str, str], int] = field(default_factory=dict)

    async def student(self, **contact: Any) -> str:
        """With an open case and, unless it is given otherwise, an address of mail."""
        student_id = f"TS{secrets.token_hex(6).upper()}"
        await self.keep(student_id, **{"mail": address_of(student_id), **contact})
        await self.case(student_id, CaseState.OPEN, 1)
        return student_id

    async def keep(self, student_id: str, **contact: Any) -> httpx.Response:
        body = {"student_id": student_id, **contact}
        answer = await self.http.put("/contacts", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.text
        return answer

    async def case(self, student_id: str, state: CaseState, version: int, case_number: int = 1) -> None:
        event = CaseChanged(
            student_id=student_id, version=version, state=state, occurred_at=now(), case_number=case_number
        )
        await self.publish(self.topics.case, student_id, event)
        await self._known("SELECT version FROM known_case WHERE student_id = $1", version, student_id)

    async def status(
        self, student_id: str, *reasons: Reason, department: str = "finance", check: str = "arrears", **changes: Any
    ) -> StatusChanged:
        """Clear without reasons. Returns once it was read."""
        version = self.versions[student_id, department] = self.versions.get((student_id, department), 0) + 1
        values: dict[str, Any] = {
            "student_id": student_id,
            "department": department,
            "version": version,
            "occurred_at": now(),
            "cause": Reason(code="changed"),
            "checks": (
                CheckStatus(check=check, verdict=Verdict.BLOCKED if reasons else Verdict.CLEAR, reasons=reasons),
            ),
        }
        event = StatusChanged(**{**values, **changes})
        await self.send_again(event)
        await self._known(
            "SELECT version FROM known_line WHERE student_id = $1 AND department = $2", version, student_id, department
        )
        return event

    async def send_again(self, event: StatusChanged) -> None:
        await self.publish(self.topics.status(event.department), event.student_id, event)

    async def requested(self, student_id: str, waived: dict[str, tuple[str, ...]]) -> None:
        event = SubmissionRequested(
            attempt_id=uuid4(),
            student_id=student_id,
            required=("finance",),
            waived=waived,
            opened_at=now(),
            expires_at=now() + timedelta(minutes=10),
        )
        await self.publish(self.topics.submission, student_id, event)

    async def accepted(self, student_id: str, attempt_id: UUID | None = None) -> SubmissionAccepted:
        event = SubmissionAccepted(
            attempt_id=attempt_id or uuid4(), student_id=student_id, form_number="LX2026-1", accepted_at=now()
        )
        await self.publish(self.topics.submission, student_id, event)
        return event

    async def refused(self, student_id: str, *, at: datetime | None = None) -> SubmissionRefused:
        event = SubmissionRefused(
            attempt_id=uuid4(), student_id=student_id, cause="objected", objections={}, refused_at=at or now()
        )
        await self.publish(self.topics.submission, student_id, event)
        return event

    async def remind(
        self, student_id: str, *lines: str, reminder_id: UUID | None = None, at: datetime | None = None
    ) -> ReminderAsked:
        """`lines`: `department/check`, all of one department. Returns once it was read."""
        press = reminder_id or uuid4()
        department = lines[0].partition("/")[0]
        event = ReminderAsked(
            command_id=uuid5(press, student_id),
            reminder_id=press,
            student_id=student_id,
            checks={department: tuple(line.partition("/")[2] for line in lines)},
            asked_by="clerk",
            asked_at=at or now(),
        )
        await self.publish(self.topics.command, student_id, event)
        kept = "SELECT 1 AS version FROM reminder WHERE student_id = $1 AND reminder_id::text = $2"
        await self._known(kept, 1, student_id, str(press))
        return event

    async def asked(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.http.post(path, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def result(self, reminder_id: UUID, *results: str) -> dict[str, Any]:
        """What became of it, once its counts have exactly these."""
        found: dict[str, Any] = {}

        async def so() -> bool:
            found.update(await self.asked("/reminders/query", {"reminder_id": str(reminder_id)}))
            return sorted(found["results"]) == sorted(results)

        await eventually(so, what=f"the reminder to be {results}, not {found}", timeout_s=30)
        return found

    async def forget(self, student_id: str) -> None:
        for topic in (self.topics.case, self.topics.submission):
            await self.publisher.send([OutboundRecord(topic, student_id.encode(), None, TOMBSTONE_HEADERS)])

    async def publish(self, topic: str, student_id: str, event: Message) -> None:
        value = encode(event, event_id=uuid4(), source=source_of("test"), time=now())
        await self.publisher.send([OutboundRecord(topic, student_id.encode(), value, _HEADERS)])

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """On a connection of its own: a restored database ends others."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def everything_read(self, student_id: str) -> None:
        """A status behind what was published about the student, in each topic, was read."""
        await self.case(student_id, CaseState.OPEN, 1_000)

    async def states(self, student_id: str) -> list[str]:
        rows = await self.rows("SELECT state FROM notice WHERE student_id = $1 ORDER BY made_at", student_id)
        return [row["state"] for row in rows]

    async def ended(self, student_id: str, *states: str) -> None:
        async def so() -> bool:
            return await self.states(student_id) == list(states)

        await eventually(so, what=f"the student's notices to be {states}", timeout_s=30)

    async def _known(self, statement: str, version: int, *values: str) -> None:
        async def known() -> bool:
            rows = await self.rows(statement, *values)
            return bool(rows) and rows[0]["version"] >= version

        await eventually(known, what="the event to be read", timeout_s=30)


@asynccontextmanager
async def running_notices(
    database: str, kafka: KafkaConnection, namespace: str, folder: Path, **settings: Any
) -> AsyncIterator[RunningNotices]:
    """Without quiet hours and with no window, unless `settings` say so."""
    topics = Topics(namespace)
    await create_topics(kafka, topics, discover())
    credentials = folder / "credentials.json"
    entry = {"name": CONTACTS, "token_sha256": token_sha256(TOKEN), "roles": [CONTACTS, REMINDERS]}
    credentials.write_text(json.dumps([entry]))
    values: dict[str, Any] = {
        "database": database,
        "namespace": namespace,
        "credentials": credentials,
        "public_url": PAGE,
        "notice_window_s": 0.0,
        "notice_quiet": "",
        "notice_retry_s": 0.2,
    }
    # A traceback in structlog's own colours takes the loop seconds, and a restored database has many.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    app = notices_app(
        NoticeSettings(**kafka.settings(), **{**values, **settings}), traced=telemetry.build("test", exporters=[])
    )
    publisher = BatchProducer(kafka, client_id="test")
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app.state.operator)
        async with httpx.AsyncClient(transport=transport, base_url="http://notices") as http:
            try:
                yield RunningNotices(database, topics, publisher, http)
            finally:
                await publisher.close()
                structlog.reset_defaults()


def address_of(student_id: str) -> str:
    """Invented, and without the number in it."""
    return f"s{abs(hash(student_id)) % 10**12}@students.example.edu"


def now() -> datetime:
    return datetime.now(UTC)
