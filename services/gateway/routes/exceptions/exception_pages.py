"""Exceptions for a student's check: proposed by one person, confirmed or refused by another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.dependencies import (
    Context,
    CurrentSite,
    PageForbidden,
    Pages,
    Person,
    Roster,
    StaffAuditTable,
    StaffPeopleTable,
    WorkLists,
)
from services.gateway.routes.staff.workplace import Workplace
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.lists.work_list import WorkListReader
from services.gateway.staff.roster.approvals import ApprovalsClient, Proposal
from services.gateway.university import Site
from services.gateway.web.csrf import CsrfFields
from services.kit.names import APPROVER, GRADUATE_SCHOOL
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)
ACTIONS: Final = ("release", "not-applicable", "withdraw-exemption")
_AREA: Final = "exceptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionsOffice(Workplace):
    """`proposes` and `decides`: whether the person may; never both about one proposal."""

    approvals: ApprovalsClient
    proposes: bool
    decides: bool
    site: Site

    @property
    def address(self) -> str:
        return "/exceptions"


async def exceptions_office(
    person: Person,
    site: CurrentSite,
    roster: Roster,
    people: StaffPeopleTable,
    context: Context,
    pages: Pages,
    audit: StaffAuditTable,
) -> ExceptionsOffice:
    """Raises `PageForbidden`."""
    proposes, decides = GRADUATE_SCHOOL in person.roles, APPROVER in person.roles
    if not (proposes or decides):
        raise PageForbidden(person, "exceptions")
    return ExceptionsOffice(
        session=person,
        name=await people.name_of(person.account),
        desk=roster.desk,
        context=context,
        pages=pages,
        audit=audit,
        approvals=ApprovalsClient(roster.desk),
        proposes=proposes,
        decides=decides,
        site=site,
    )


async def proposing(office: Annotated[ExceptionsOffice, Depends(exceptions_office)]) -> ExceptionsOffice:
    """Raises `PageForbidden`."""
    if not office.proposes:
        raise PageForbidden(office.session, "exceptions")
    return office


async def deciding(office: Annotated[ExceptionsOffice, Depends(exceptions_office)]) -> ExceptionsOffice:
    """Raises `PageForbidden`."""
    if not office.decides:
        raise PageForbidden(office.session, "exceptions")
    return office


CurrentOffice = Annotated[ExceptionsOffice, Depends(exceptions_office)]
Proposing = Annotated[ExceptionsOffice, Depends(proposing)]
Deciding = Annotated[ExceptionsOffice, Depends(deciding)]
ProposalId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_Line = Annotated[str, Field(max_length=300)]


class _Proposed(CsrfFields):
    action: _Line = ""
    student: _Line = ""
    check: _Line = ""
    reason: _Line = ""
    until: _Line = ""
    key: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]


class _Refused(CsrfFields):
    why: _Line = ""


@router.get("/exceptions")
async def pending(office: CurrentOffice, lists: WorkLists) -> Response:
    return await _page(office, lists)


@router.get("/exceptions/propose")
@router.get("/exceptions/{proposal_id}/confirm")
@router.get("/exceptions/{proposal_id}/refuse")
async def from_the_start(office: CurrentOffice) -> Response:
    """After a change of language, or a reload without its form."""
    return RedirectResponse(office.address, 303)


@router.post("/exceptions/propose")
async def propose(office: Proposing, lists: WorkLists, form: Annotated[_Proposed, Form()]) -> Response:
    office.check_csrf(form.csrf)
    texts = office.context.texts
    number = student_number(form.student.strip())
    errors = _missing(texts, form, number)
    if errors or number is None:
        return await _page(office, lists, typed=form, errors=errors, status=422)
    department, _, check = form.check.partition(".")
    body = {"student_id": number, "department": department, "check": check, "reason": form.reason.strip()}
    if form.action != "withdraw-exemption":
        body["until"] = form.until.strip()
    try:
        done = await office.approvals.propose(office.person, form.action, body, form.key)
    except DeskRefused as refused:
        return await _page(office, lists, typed=form, errors=_errors(texts, refused), status=refused.status)
    return await _page(office, lists, done=texts(f"exceptions.done_{'made' if done.persons == 1 else 'proposed'}"))


@router.post("/exceptions/{proposal_id}/confirm")
async def confirm(
    office: Deciding, lists: WorkLists, proposal_id: ProposalId, form: Annotated[CsrfFields, Form()]
) -> Response:
    office.check_csrf(form.csrf)
    return await _decide(office, lists, proposal_id, None)


@router.post("/exceptions/{proposal_id}/refuse")
async def refuse(
    office: Deciding, lists: WorkLists, proposal_id: ProposalId, form: Annotated[_Refused, Form()]
) -> Response:
    office.check_csrf(form.csrf)
    if not form.why.strip():
        return await _page(office, lists, error=office.context.texts("exceptions.no_why"), status=422)
    return await _decide(office, lists, proposal_id, form.why.strip())


async def _decide(office: ExceptionsOffice, lists: WorkListReader, proposal_id: int, why: str | None) -> Response:
    """Confirmed without `why`, refused with it."""
    texts = office.context.texts
    try:
        proposal = await office.approvals.proposal(office.person, proposal_id)
        if proposal.is_of(office.session.account):
            return await _page(office, lists, error=texts("exceptions.own"), status=403)
        if why is None:
            await office.approvals.confirm(office.person, proposal_id)
        else:
            await office.approvals.reject(office.person, proposal_id, why)
    except DeskRefused as refused:
        ended = refused.slug in ("proposal-ended", "unknown-proposal")
        error = texts("exceptions.ended") if ended else texts("staff.refused", why=refused.detail)
        return await _page(office, lists, error=error, status=refused.status)
    return await _page(
        office, lists, done=texts("exceptions.done_confirmed" if why is None else "exceptions.done_refused")
    )


async def _page(
    office: ExceptionsOffice,
    lists: WorkListReader,
    *,
    typed: _Proposed | None = None,
    errors: Mapping[str, str] | None = None,
    done: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    proposals, more_proposals = await office.approvals.pending(office.person)
    exemptions, more_exemptions = await office.approvals.exemptions(office.person)
    numbers = sorted({one.student_id for one in proposals} | {one.student_id for one in exemptions})
    await office.audit.looked_up(office.session.account, _AREA, numbers)
    names, account = await lists.names(numbers), office.session.account
    problems = errors or {}
    return office.page(
        "exceptions.html",
        status=status,
        proposals=[(one, _check_title(office, one), one.is_of(account)) for one in proposals],
        more_proposals=more_proposals,
        exemptions=[(one, _title_of(office, one.department, one.check)) for one in exemptions],
        more_exemptions=more_exemptions,
        names=names,
        checks=[
            (f"{name}.{check.name}", office.context.texts.of(check.title))
            for name, department in office.site.departments.items()
            for check in department.checks
        ],
        actions=ACTIONS,
        typed=typed,
        errors=problems,
        done=done,
        error=error or problems.get("", ""),
    )


def _check_title(office: ExceptionsOffice, one: Proposal) -> str:
    return _title_of(office, str(one.body.get("department", "")), str(one.body.get("check", "")))


def _title_of(office: ExceptionsOffice, department: str, check: str) -> str:
    manifest = office.site.departments.get(department)
    found = next((each for each in manifest.checks if each.name == check), None) if manifest else None
    return office.context.texts.of(found.title) if found else f"{department} {check}".strip()


def _missing(texts: Texts, form: _Proposed, number: str | None) -> dict[str, str]:
    errors = {} if number else {"student_id": texts("roster_page.no_number")}
    needed = {
        "check": form.check,
        "reason": form.reason.strip(),
        "action": form.action if form.action in ACTIONS else "",
    }
    if form.action != "withdraw-exemption":
        needed["until"] = form.until.strip()
    return errors | {name: texts("staff.field_missing") for name, value in needed.items() if not value}


def _errors(texts: Texts, refused: DeskRefused) -> dict[str, str]:
    """By field, of the whole under the empty name."""
    known = {
        "unknown-student": ("student_id", "exceptions.unknown_student"),
        "until-past": ("until", "exceptions.until_past"),
        "no-exemption": ("check", "exceptions.no_exemption"),
        "already-submitted": ("student_id", "exceptions.already_submitted"),
    }
    if refused.slug in known:
        field, key = known[refused.slug]
        return {field: texts(key)}
    fields = {one.field: texts("staff.field_wrong") for one in refused.errors if one.field}
    return fields or {"": texts("staff.refused", why=refused.detail)}
