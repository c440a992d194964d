"""What a clerk does at the certificate desk, on its page or as JSON: only with a form that was verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from pydantic import AfterValidator, Field

from schemas.events import DocumentSeal
from services.gateway.certificates.handover import Handover, Outcome, Undo
from services.gateway.certificates.proxy_documents import Comparison
from services.gateway.certificates.verification import GOOD, Finding, VerificationResult, read_scan, verify_scan
from services.gateway.certificates.view_model import accounts_of, named
from services.gateway.read_model.types import FormHolder, SubmissionRecord
from services.gateway.routes.dependencies import (
    Certificates,
    Clerk,
    Context,
    Documents,
    Served,
    StaffAuditTable,
    StaffPeopleTable,
    Submissions,
)
from services.gateway.web.csrf import check_csrf
from services.kit.rules.visible_text import VISIBLE
from services.kit.student_numbers import student_number

OUTCOME_STATUS: Final[Mapping[Outcome | None, int]] = {
    Outcome.ISSUED: 200,
    Outcome.UNDONE: 200,
    Outcome.PENDING: 202,
    Outcome.PROXY_NAMELESS: 422,
    Outcome.PROXY_UNDOCUMENTED: 422,
    Outcome.DOCUMENT_MISTYPED: 422,
    Outcome.NO_REASON: 422,
}
"""409 otherwise."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


DocumentNumber = Annotated[str, Field(max_length=64)]
# No control characters: PostgreSQL's jsonb refuses NUL.
ProxyName = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"), VISIBLE, AfterValidator(_one_line)]
Why = Annotated[
    str,
    Field(max_length=500, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"),
    VISIBLE,
    AfterValidator(_one_line),
]


@dataclass(frozen=True, slots=True)
class CheckedForm:
    """`record` is found for some forms that are not genuine too. `outcome` of a hand-over or an undo."""

    result: VerificationResult
    record: SubmissionRecord | None
    outcome: Outcome | None = None
    document: DocumentSeal | None = None
    document_proof: str = ""
    """These two as they were sent."""

    @property
    def genuine(self) -> SubmissionRecord | None:
        return self.record if self.result.finding in GOOD else None


@dataclass(frozen=True, slots=True)
class Desk:
    """`token` is the CSRF token of the clerk's session; methods raise a 403 `Problem` for another."""

    clerk: Clerk
    served: Served
    submissions: Submissions
    certificates: Certificates
    context: Context
    people: StaffPeopleTable
    audit: StaffAuditTable
    documents: Documents

    async def holders(self, token: str, text: str) -> tuple[FormHolder, ...]:
        """Students whom the clerk serves, by number, else by the beginning of a name. Audited."""
        check_csrf(self.clerk, token)
        number = student_number(text) if any(one.isdigit() for one in text) else None
        holder = await self.submissions.holder(number) if number else None
        of_number = (holder,) if holder and self.served.includes(holder.college) else ()
        found = of_number if number else await self.submissions.holders_named(text, self.served.colleges)
        await self.audit.looked_up(self.clerk.account, "certificates", (one.student_id for one in found))
        return found

    async def named(self, record: SubmissionRecord | None) -> SubmissionRecord | None:
        """With the names of those who handed over."""
        return record and named(record, await self.people.names_of(accounts_of(record)))

    async def check(self, token: str, scanned: str) -> CheckedForm:
        """Audited."""
        checked = await self._verified(token, scanned)
        await self.certificates.log_check(self.clerk.account, checked.result.finding, checked.record)
        return checked

    async def hand_over(self, token: str, form_number: str, handover: Handover, document: str = "") -> CheckedForm:
        """Idempotent by command id. Without an outcome nothing was done: the form is not genuine.

        `document`: the number of the proxy's, as it was typed.
        """
        checked = await self._verified(token, form_number)
        if checked.genuine is None:
            return checked
        number = checked.genuine.published.form_number
        sealed = self.documents.sealed(handover, number, document)
        record, outcome = await self.certificates.hand_over(self.clerk, checked.genuine, sealed)
        return CheckedForm(checked.result, record, outcome, sealed.document, sealed.document_proof)

    async def compare(self, token: str, form_number: str, document: str) -> tuple[CheckedForm, Comparison | None]:
        """Whether a proxy presented the document of this number. None: the form is not genuine. Audited."""
        checked = await self._verified(token, form_number)
        if checked.genuine is None:
            return checked, None
        return checked, await self.documents.compare(self.clerk.account, checked.genuine, document)

    async def undo(self, token: str, form_number: str, undo: Undo) -> CheckedForm:
        """As `hand_over`."""
        checked = await self._verified(token, form_number)
        if checked.genuine is None:
            return checked
        record, outcome = await self.certificates.undo(self.clerk, checked.genuine, undo)
        return CheckedForm(checked.result, record, outcome)

    async def _verified(self, token: str, text: str) -> CheckedForm:
        check_csrf(self.clerk, token)
        keys, revoked = await self.submissions.keys(), await self.submissions.revoked()
        scan = read_scan(text, keys, revoked)
        record = await self.submissions.by_number(scan.form_number) if scan.form_number else None
        if record is not None and not await self._is_served(record):
            return CheckedForm(VerificationResult(Finding.NOT_YOURS), record)
        return CheckedForm(verify_scan(scan, record.published if record else None, keys, revoked), record)

    async def _is_served(self, record: SubmissionRecord) -> bool:
        """By the roster's college of today: the form has that of its day."""
        if self.served.colleges is None:
            return True
        holder = await self.submissions.holder(record.published.student_id)
        return holder is not None and self.served.includes(holder.college)


CurrentDesk = Annotated[Desk, Depends(Desk)]
