"""The gateway's read model, written as the clearance writes it: accepted submissions beside the cases."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
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
)
from services.clearance.receipts.payload import form_payload, sign_form, submission_facts
from services.clearance.receipts.private_keys.files import LoadedKey
from services.clearance.receipts.signing_keys import public_jwk
from services.clearance.roster.cases import Student
from services.clearance.submission.after_acceptance import certificate_issue
from services.kit.receipts.jws import ALGORITHM
from services.kit.receipts.numbers import CODES, NUMBERS, form_number, verification_code
from services.kit.rules.waivers import Waiver, waiver_list
from tests.support.gateway.case_writer import CaseWriter
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


class ReadModelWriter(CaseWriter):
    """And accepted submissions: forms, hand-overs, exceptions."""

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
        receipt = sign_form(payload, LoadedKey(kid, key))
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
