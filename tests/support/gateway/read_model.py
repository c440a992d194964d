"""The gateway's read model, written as the clearance writes it: cases, statuses, alive marks, submissions."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from joserfc.jwk import OKPKey

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    CertificateIssueAsked,
    CertificateIssueUndoAsked,
    Reason,
    StatusChanged,
)
from schemas.status_fast import decode_status
from services.clearance.receipts.payload import form_payload, sign_form, submission_facts
from services.clearance.receipts.signing_keys import public_jwk
from services.clearance.roster.cases import Student
from services.clearance.submission.after_acceptance import certificate_issue
from services.clearance.view.records import open_codes
from services.kit.names import VIEW_CHANNEL
from services.kit.receipts.jws import ALGORITHM
from services.kit.receipts.numbers import CODES, NUMBERS, form_number, verification_code
from services.kit.rules.waivers import Waiver, waiver_list
from tests.support.gateway.server import RunningGateway
from tests.support.samples import case_samples


@dataclass(frozen=True)
class SignedForm:
    """A form as its student holds it."""

    student_id: str
    form_number: str
    code: str
    receipt: str
    qr_text: str
    kid: str


class ReadModelWriter:
    """Writes the clearance's tables by hand."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def put_case(
        self,
        student_id: str,
        *,
        state: str = "open",
        name: str = "欧阳𠮷㛃",
        category: str = "毕业离校",
        college: str = "信息与控制工程学院",
        cohort: str = "2026",
    ) -> None:
        await self._run(
            """
            INSERT INTO student_case (student_id, version, state, name, gender, college, major, grade, enrolled_on,
                                      leave_category, cohort, opened_on, changed_at)
            VALUES ($1, 1, $2, $3, '女', $7, '控制科学与工程', '2023', $4, $5, $8, $6, now())
            """,
            student_id,
            state,
            name,
            date(2023, 9, 1),
            category,
            date(2026, 6, 1),
            college,
            cohort,
        )

    async def put_status(
        self,
        student_id: str,
        department: str,
        checks: list[dict[str, Any]],
        version: int = 1,
        *,
        cause: str = "record-replaced",
    ) -> None:
        """A department's status, and an alive mark of now."""
        now = datetime.now(UTC)
        status = StatusChanged.model_validate(
            {
                "student_id": student_id,
                "department": department,
                "version": version,
                "occurred_at": now.isoformat(),
                "cause": Reason(code=cause).model_dump(),
                "checks": checks,
            }
        )
        await self._run(
            """
            INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition,
                                source_offset, status, open_codes, open_since)
            VALUES ($1, $2, $3::int, $4::timestamptz, $4::timestamptz, 0, $3::int, $5, $6::text,
                    CASE WHEN $6::text IS NOT NULL THEN $4::timestamptz END)
            ON CONFLICT (student_id, department) DO UPDATE
            SET version = excluded.version, occurred_at = excluded.occurred_at, heard_at = excluded.heard_at,
                source_offset = excluded.source_offset, status = excluded.status, open_codes = excluded.open_codes,
                open_since = excluded.open_since
            """,
            student_id,
            department,
            version,
            now,
            status.model_dump_json(),
            open_codes(decode_status(status.model_dump_json().encode())),
        )
        await self.put_alive_mark(department)

    async def put_alive_mark(self, department: str, at: datetime | None = None) -> None:
        await self._run(
            """
            INSERT INTO source (department, partition, alive_as_of, heard_at) VALUES ($1, 0, $2, $2)
            ON CONFLICT (department, partition) DO UPDATE SET alive_as_of = excluded.alive_as_of
            """,
            department,
            at or datetime.now(UTC),
        )

    async def exempt(self, student_id: str, waiver: Waiver, *, ends_at: datetime | None = None) -> None:
        """Decided by two persons. `ends_at`: an hour from now if not given."""
        now = datetime.now(UTC)
        await self._run(
            """
            WITH proposed AS (
                INSERT INTO proposal (action, student_id, body, reason, persons, state, proposed_by, proposed_at,
                                      expires_at, ended_by, ended_at, request_key, fingerprint)
                VALUES ('not-applicable', $1, '{}', $5, 2, 'confirmed', 'clerk-a', $7::timestamptz,
                        $7::timestamptz + interval '1 day', 'clerk-b', $7, gen_random_uuid()::text, '')
                RETURNING proposal_id
            )
            INSERT INTO exemption (student_id, department, check_name, kind, reason, until, proposal_id, proposed_by,
                                   confirmed_by, made_at, ends_at)
            SELECT $1, $2, $3, $4, $5, $6, proposal_id, 'clerk-a', 'clerk-b', $7::timestamptz - interval '1 day', $8
            FROM proposed
            """,
            student_id,
            waiver.department,
            waiver.check,
            waiver.kind.value,
            waiver.reason,
            waiver.until,
            now,
            ends_at or now + timedelta(hours=1),
        )

    async def withdraw_exemptions(self, student_id: str) -> None:
        await self._run(
            "UPDATE exemption SET withdrawn_at = now(), withdrawn_by = 'clerk-b', withdrawal = proposal_id"
            " WHERE student_id = $1 AND withdrawn_at IS NULL",
            student_id,
        )

    async def all_clear(self, student_id: str) -> None:
        """Every department's status is clear."""
        for department, heard in case_samples.clear().statuses.items():
            await self.put_status(student_id, department, json.loads(heard.status.model_dump_json())["checks"])

    async def all_clear_library(self, student_id: str, version: int) -> None:
        """The library's next status is clear."""
        checks = json.loads(case_samples.library().status.model_dump_json())["checks"]
        await self.put_status(student_id, "library", checks, version)

    async def accept(self, student_id: str, number: str, code: str, qr_text: str) -> None:
        """The clearance accepted a submission on the newest words of all departments."""
        facts = {
            name: {
                "version": heard.status.version,
                "attested_at": "2026-06-08T02:00:00.000000Z",
                "checks": [one.model_dump(mode="json") for one in heard.status.checks],
            }
            for name, heard in case_samples.clear().statuses.items()
        }
        await self._run("UPDATE student_case SET state = 'completed', version = 2 WHERE student_id = $1", student_id)
        form = SignedForm(student_id, number, code, "a.b.c", qr_text, f"k-{uuid4()}")
        await self._write(form, uuid4(), facts, "{}", datetime.now(UTC))

    async def accept_signed(
        self,
        student_id: str,
        *,
        name: str = "欧阳𠮷㛃",
        waivers: tuple[Waiver, ...] = (),
        case_number: int = 1,
        replaces: str | None = None,
    ) -> SignedForm:
        """An accepted submission as the clearance writes it: signed with a listed key, on every department's word.

        Its case is the student's first or, like `replaces`, one that is there.
        """
        now, attempt_id = datetime.now(UTC), uuid4()
        key, kid = OKPKey.generate_key(ALGORITHM), f"k-{secrets.token_hex(6)}"
        number = form_number(now.year, secrets.randbelow(NUMBERS))
        code = verification_code(secrets.randbelow(CODES))
        answers = _attested(attempt_id, student_id, now)
        payload = form_payload(
            form_number=number,
            code=code,
            attempt_id=attempt_id,
            accepted_at=now,
            student=_student(student_id, name),
            answers=answers,
            waivers=waivers,
            replaces=replaces,
        )
        receipt = sign_form(payload, key, kid)
        assert receipt.qr_text is not None
        form = SignedForm(student_id, number, code, receipt.text, receipt.qr_text, kid)
        if case_number > 1 or replaces is not None:
            await self._run("UPDATE student_case SET state = 'completed' WHERE student_id = $1", student_id)
        else:
            await self.put_case(student_id, state="completed", name=name)
        facts, jwk = submission_facts(answers), json.dumps(public_jwk(kid, key))
        await self._write(form, attempt_id, facts, jwk, now, case_number=case_number)
        if waivers:
            await self._run(
                "INSERT INTO attempt_waiver (attempt_id, as_of, waivers, names) VALUES ($1, now(), $2, '{}')",
                attempt_id,
                waiver_list.dump_json(waivers).decode(),
            )
        return form

    async def void(self, student_id: str, form_number: str, reason: str = "姓名有误") -> None:
        """Two persons voided the form: the case is open again."""
        await self._run(
            "INSERT INTO form_void (attempt_id, student_id, case_number, sequence, reason, voided_by, confirmed_by)"
            " SELECT attempt_id, student_id, case_number, sequence, $2, 'operator-1', 'dean-1' FROM submission"
            " WHERE form_number = $1",
            form_number,
            reason,
        )
        await self._run(
            "UPDATE student_case SET state = 'open', version = version + 1 WHERE student_id = $1", student_id
        )

    async def join(self, student_id: str, former: str) -> None:
        """A former number of the student, with nothing said of it yet."""
        await self.put_case(former, state="closed")
        await self._run("UPDATE student_case SET joined_to = $2 WHERE student_id = $1", former, student_id)

    async def open_next_case(self, student_id: str, *, major: str = "管理科学") -> None:
        """A later cohort under the same number."""
        await self._run(
            "UPDATE student_case SET state = 'open', version = version + 1, case_number = case_number + 1, major = $2,"
            " cohort = '2027' WHERE student_id = $1",
            student_id,
            major,
        )

    async def _write(
        self,
        form: SignedForm,
        attempt_id: UUID,
        facts: dict[str, Any],
        jwk: str,
        now: datetime,
        *,
        case_number: int = 1,
    ) -> None:
        await self._run(
            """
            INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, case_number)
            VALUES ($1, $2, 'accepted', $3, $5::timestamptz, $5::timestamptz + interval '10 min', $5::timestamptz, $4)
            """,
            attempt_id,
            form.student_id,
            sorted(facts),
            case_number,
            now,
        )
        # Retired at once, so that each test has its own: a retired key still verifies.
        await self._run("INSERT INTO signing_key (kid, public_jwk, retired_at) VALUES ($1, $2, now())", form.kid, jwk)
        await self._run(
            """
            INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text,
                                    kid, student, case_number, sequence)
            SELECT $1, $2::uuid, $3, $4, $5::timestamptz, $6::jsonb, $7, $8, $9, $10::jsonb, $11::int, count(*) + 1
            FROM submission WHERE student_id = $1 AND case_number = $11::int
            """,
            form.student_id,
            attempt_id,
            form.form_number,
            form.code,
            now,
            json.dumps(facts),
            form.receipt,
            form.qr_text,
            form.kid,
            _student(form.student_id, "欧阳𠮷㛃").model_dump_json(),
            case_number,
        )

    async def revoke(self, kid: str) -> None:
        await self._run("UPDATE signing_key SET revoked_at = now() WHERE kid = $1", kid)

    async def edit_facts(self, student_id: str) -> None:
        """Somebody with every right on the database edits a record by hand, around its trigger."""
        await self._run("ALTER TABLE submission DISABLE TRIGGER never_changed")
        await self._run(
            "UPDATE submission SET facts = jsonb_set(facts, '{library,version}', '99') WHERE student_id = $1",
            student_id,
        )
        await self._run("ALTER TABLE submission ENABLE TRIGGER never_changed")

    async def open_exception(self, student_id: str, department: str, *reasons: Reason, version: int = 9) -> None:
        """A pass taken away after the acceptance."""
        document = json.dumps([reason.model_dump(mode="json") for reason in reasons])
        await self._run(
            "INSERT INTO exception (attempt_id, student_id, department, version, reasons)"
            " SELECT attempt_id, $1, $2, $3, $4 FROM standing_submission WHERE student_id = $1",
            student_id,
            department,
            version,
            document,
        )

    async def open_roster_exception(self, student_id: str, *reasons: Reason) -> None:
        """The roster says otherwise than the form."""
        document = json.dumps([reason.model_dump(mode="json") for reason in reasons])
        await self._run(
            "INSERT INTO roster_exception (attempt_id, number, reasons)"
            " SELECT attempt_id, 1, $2 FROM standing_submission WHERE student_id = $1",
            student_id,
            document,
        )

    async def receive_issue(self, event: CertificateIssueAsked | CertificateIssueUndoAsked) -> None:
        """The clearance's own handler, in a transaction of its own as its inbox opens one."""
        connection = await asyncpg.connect(self._dsn)
        try:
            async with connection.transaction():
                if isinstance(event, CertificateIssueAsked):
                    await certificate_issue.certificate_issue_asked(connection, event)
                else:
                    await certificate_issue.certificate_issue_undo_asked(connection, event)
        finally:
            await connection.close()

    async def notify(self) -> None:
        await self._run(f"SELECT pg_notify('{VIEW_CHANNEL}', '')")

    async def _run(self, statement: str, *values: Any) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


def _student(student_id: str, name: str) -> Student:
    return Student(
        student_id=student_id,
        name=name,
        gender="女",
        college="信息与控制工程学院",
        major="控制科学与工程",
        grade="2023",
        enrolled_on=date(2023, 9, 1),
        leave_category="毕业离校",
    )


def _attested(attempt_id: UUID, student_id: str, now: datetime) -> dict[str, AttestationGiven]:
    """Every department's answer: clear."""
    return {
        department: AttestationGiven(
            attempt_id=attempt_id,
            student_id=student_id,
            department=department,
            outcome=AttestationOutcome.CLEAR,
            version=heard.status.version,
            checks=heard.status.checks,
            attested_at=now,
        )
        for department, heard in case_samples.clear().statuses.items()
    }


@asynccontextmanager
async def carrying(gateway: RunningGateway, clearance: ReadModelWriter) -> AsyncIterator[None]:
    """What desks ask reaches the clearance while the block lasts, as over the broker."""

    async def carry() -> None:
        connection = await asyncpg.connect(gateway.database)
        try:
            while True:
                rows = await connection.fetch("DELETE FROM outbox RETURNING value")
                events = [read(row["value"]) for row in rows]
                asked = [one for one in events if isinstance(one, CertificateIssueAsked | CertificateIssueUndoAsked)]
                await asyncio.gather(*(clearance.receive_issue(event) for event in asked))
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    task = asyncio.create_task(carry())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
