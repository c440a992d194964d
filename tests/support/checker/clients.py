"""Students and desks as clients: each operation is noted as it ended. What carries it is a subclass's business."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import asyncpg

from schemas.events import TakenBy
from services.gateway.certificates.handover import Handover, Undo, fingerprint
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import SubmissionRecord
from services.gateway.tables.commands import StudentCommandTable
from services.kit.http.problems import Problem
from services.kit.postgres.pool import DATABASE_ERRORS
from tests.support.checker.history import History, Kind, Outcome
from tests.support.gateway.sessions import session_of_person

END_TIMEOUT_S: Final = 40.0
COHORT: Final = "2026"
"""Every department has a list of it from the beginning."""
_LOST: Final = DATABASE_ERRORS


class Clients(ABC):
    """A student's side goes by the gateway's own command path; `pool` is its database, `readers` the read model."""

    pool: "asyncpg.Pool[Any]"
    readers: "asyncpg.Pool[Any]"
    commands: StudentCommandTable
    forms: SubmissionRecords
    certificates: CertificateIssueRequests
    end_timeout_s: float = END_TIMEOUT_S

    def __init__(self) -> None:
        self.history = History()

    @abstractmethod
    async def student(self, *, cohort: str | None = COHORT, silent: Collection[str] = (), **records: Any) -> str:
        """A student with an open case, clear everywhere but where `records` says otherwise.

        The `silent` departments have no record of them, but a list of `COHORT`.
        """

    @abstractmethod
    async def desk(self, department: str, operation: str, student_id: str, **body: Any) -> Outcome:
        """One change at a desk, noted as it ended."""

    @abstractmethod
    async def void(self, student_id: str, form_number: str) -> None:
        """Two persons void a form, unless that is refused."""

    @abstractmethod
    async def join(self, student_id: str, former: str) -> None:
        """Make `former` a former number of the student, unless that is refused."""

    @abstractmethod
    async def repeat_messages(self, student_id: str) -> None:
        """Bring the newest messages about the student again, where the broker is simulated."""

    @abstractmethod
    async def declare(self, department: str, cohort: str) -> None:
        """The department's list of the cohort is complete."""

    @abstractmethod
    async def withdraw(self, department: str, cohort: str) -> None:
        """Withdraw the department's lists of the cohort."""

    @abstractmethod
    async def send_file(self, department: str, content: str, covers: str = "") -> None:
        """Import it: it may be refused, and it may be the complete list of a cohort."""

    @abstractmethod
    async def end_questions(self, department: str, student_id: str) -> None:
        """Somebody looks into what is open about the student, and ends it."""

    @abstractmethod
    async def exempt(self, student_id: str, department: str, check: str) -> None:
        """Two persons decide that the student does not need the check; nothing if that is refused."""

    @abstractmethod
    async def withdraw_exemption(self, student_id: str, department: str, check: str) -> None:
        """Two persons take it back; nothing if that is refused."""

    async def charge(self, student_id: str, charge_id: str) -> Outcome:
        """A debt that takes the pass away."""
        charge = {"charge_id": charge_id, "year": "2025-2026", "name": "代收取暖费", "amount": "72.40"}
        return await self.desk("finance", "charge", student_id, **charge)

    async def waive(self, student_id: str, charge_id: str) -> Outcome:
        """The debt is gone again."""
        return await self.desk("finance", "waiver", student_id, charge_id=charge_id, amount="72.40")

    async def ask(self, student_id: str, department: str = "", name: str = "submit") -> str:
        """A student asks for something; the command's id, or nothing when no reply came."""
        began_s = time.monotonic()
        try:
            forms = 0 if department else await self._forms(student_id)
            command = await self.commands.request(session_of_person(student_id), department, name, forms_before=forms)
        except _LOST:
            self.history.add(Kind.ASK, student_id, Outcome.UNKNOWN, began_s=began_s)
            return ""
        command_id = str(command.command_id)
        self.history.add(Kind.ASK, student_id, Outcome.OK, began_s=began_s, reply={"command_id": command_id})
        return command_id

    async def end_of(self, command_id: str, timeout_s: float | None = None) -> str:
        """How a command ended by the gateway's word, or "asked" when it has not by then."""
        deadline_s = time.monotonic() + (self.end_timeout_s if timeout_s is None else timeout_s)
        state = "asked"
        while time.monotonic() < deadline_s:
            with suppress(*_LOST):
                state = await self.pool.fetchval("SELECT state FROM command WHERE command_id = $1", command_id)
            if state != "asked":
                break
            await asyncio.sleep(0.02)
        return str(state)

    async def read_submission(self, student_id: str) -> None:
        """What the student is shown of an accepted submission, if there is one."""
        began_s = time.monotonic()
        with suppress(*_LOST):
            row = await self.readers.fetchrow(
                "SELECT attempt_id, form_number FROM published.submission_v1 WHERE student_id = $1", student_id
            )
            if row is not None:
                reply = {"attempt_id": str(row["attempt_id"]), "form_number": row["form_number"]}
                self.history.add(Kind.DONE, student_id, Outcome.OK, began_s=began_s, reply=reply)

    async def hand_over(self, student_id: str) -> None:
        """At the certificate desk, confirming what its page shows."""
        with suppress(Problem, *_LOST):
            record = await self._form(student_id)
            if record is not None:
                names, seen = frozenset(one.name for one in record.exceptions), fingerprint(record.exceptions)
                handover = Handover(uuid4(), TakenBy.SELF, "", seen, names, "looked into")
                await self.certificates.hand_over(session_of_person(account="clerk"), record, handover)

    async def undo(self, student_id: str) -> None:
        """Take the hand-over back that the desk's page shows."""
        with suppress(Problem, *_LOST):
            record = await self._form(student_id)
            if record is not None and record.issue is not None:
                await self.certificates.undo(
                    session_of_person(account="clerk"), record, Undo(uuid4(), record.issue.command_id, "by mistake")
                )

    async def void_form(self, student_id: str) -> None:
        """Void the form that stands, if there is one."""
        with suppress(Problem, *_LOST):
            record = await self._form(student_id)
            if record is not None:
                await self.void(student_id, record.published.form_number)

    async def _forms(self, student_id: str) -> int:
        query = "SELECT count(*) FROM published.submission_v2 WHERE student_id = $1"
        return int(await self.readers.fetchval(query, student_id))

    async def _form(self, student_id: str) -> SubmissionRecord | None:
        number = await self.readers.fetchval(
            "SELECT form_number FROM published.submission_v1 WHERE student_id = $1", student_id
        )
        return await self.forms.by_number(number) if number else None
