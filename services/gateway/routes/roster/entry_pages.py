"""A student's roster entry: looked at with its history, opened, closed, deferred and corrected. All by POST."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.roster.roster_office import CurrentRoster, RosterOffice
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.roster.answers import RosterCase
from services.gateway.staff.roster.form import FIELDS, body_of, corrected, inputs, missing, wrong
from services.gateway.staff.roster.history import history_lines
from services.gateway.staff.roster.listing import RosterEntry
from services.kit.http.problems import Problem
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)
_MAX_FIELDS: Final = 60
_MAX_CHARACTERS: Final = 500
_CLASH: Final = "roster_page.changed_meanwhile"


@dataclass(frozen=True, slots=True)
class Sent:
    """A form of the roster. `fields` as typed, `shown` as they were when it began."""

    act: str
    student: str
    fields: Mapping[str, str]
    shown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotDone:
    """What was typed in a form that had no effect. `errors`: by field, of the whole under the empty name."""

    act: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


async def sent_form(request: Request, office: CurrentRoster) -> Sent:
    """Raises a 403 or a 422 `Problem`."""
    form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    values = {name: str(value) for name, value in form.items()}
    if any(len(value) > _MAX_CHARACTERS or "\x00" in value for value in values.values()):
        raise Problem(422, "invalid-request", title="The request has wrong or missing fields")
    office.check_csrf(values.get("csrf", ""))
    fields = {name: values[f"f.{name}"] for name in FIELDS if f"f.{name}" in values}
    shown = {name: values[f"was.{name}"] for name in FIELDS if f"was.{name}" in values}
    return Sent(values.get("act", ""), values.get("student", ""), fields, shown)


SentForm = Annotated[Sent, Depends(sent_form)]


@router.get("/roster/new")
async def empty_form(office: CurrentRoster) -> Response:
    return _new_page(office, "", NotDone())


@router.post("/roster/new")
async def open_new(office: CurrentRoster, form: SentForm) -> Response:
    texts, number = office.context.texts, student_number(form.student)
    body = body_of(number or "", form.fields)
    errors = missing(texts, body)
    if number is None:
        errors["student_id"] = texts("roster_page.no_number")
    elif await office.roster.case(office.person, number) is not None:
        return await entry_page(office, number, error=texts("roster_page.exists"), status=409)
    if errors or number is None:
        return _new_page(office, form.student, NotDone(values=form.fields, errors=errors), status=422)
    try:
        case = await office.roster.put(office.person, body)
    except DeskRefused as refused:
        not_done = NotDone(values=form.fields, errors=_errors(texts, refused))
        return _new_page(office, form.student, not_done, status=refused.status)
    return await entry_page(office, number, case, done=texts("roster_page.done_open"))


@router.post("/roster/change")
async def change(office: CurrentRoster, form: SentForm) -> Response:
    """`act`: `close`, `reopen`, `defer` or `correct`."""
    texts, number = office.context.texts, student_number(form.student) or ""
    case = await office.roster.case(office.person, number)
    if case is None:
        return await hits_page(office, (), more=False, text=form.student)
    body, errors = _body(texts, form, case)
    if errors:
        not_done = NotDone(form.act, form.fields, errors)
        return await entry_page(office, number, case, not_done=not_done, status=422)
    try:
        if form.act == "close":
            answer = await office.roster.withdraw(office.person, number)
        else:
            answer = await office.roster.put(office.person, body)
    except DeskRefused as refused:
        not_done = NotDone(form.act, form.fields, _errors(texts, refused))
        return await entry_page(office, number, case, not_done=not_done, status=refused.status)
    done = texts(f"roster_page.done_{form.act}" if answer.outcome == "applied" else "roster_page.unchanged")
    return await entry_page(office, number, answer, done=done)


def _body(texts: Texts, form: Sent, case: RosterCase) -> tuple[dict[str, Any], dict[str, str]]:
    """What is put on the roster, and what is wrong with it. Raises a 422 `Problem` for no act."""
    if form.act in ("close", "reopen"):
        return body_of(case.student_id, _texts_of(case)), {}
    if form.act == "defer":
        cohort = form.fields.get("cohort", "").strip()
        if not cohort:
            return {}, {"cohort": texts("staff.field_missing")}
        if cohort == case.student.get("cohort"):
            return {}, {"cohort": texts("roster_page.same_cohort")}
        return body_of(case.student_id, {**_texts_of(case), "cohort": cohort}), {}
    if form.act != "correct":
        raise Problem(422, "invalid-request", title="The request has wrong or missing fields")
    body, clashes = corrected(case.student, form.shown, form.fields)
    meanwhile = {name: texts(_CLASH, value=str(case.student.get(name) or "—")) for name in clashes}
    return body, {**missing(texts, body), **meanwhile}


async def entry_page(
    office: RosterOffice,
    student_id: str,
    case: RosterCase | None = None,
    *,
    done: str = "",
    error: str = "",
    not_done: NotDone | None = None,
    status: int = 200,
) -> Response:
    """`case` as just answered; `not_done`: the form that had no effect."""
    await office.look_up(student_id)
    case = case or await office.roster.case(office.person, student_id)
    if case is None:
        return await hits_page(office, (), more=False, text=student_id)
    history = await office.roster.history(office.person, student_id)
    texts, typed, shown = office.context.texts, not_done or NotDone(), _texts_of(case)
    correcting, deferring = (typed if typed.act == act else NotDone() for act in ("correct", "defer"))
    # After a clash the form begins with what the roster has by now.
    fields = inputs(texts, {**shown, **correcting.values}, correcting.errors, office.categories)
    cohort = inputs(texts, deferring.values, deferring.errors, ())[FIELDS.index("cohort")]
    return office.page(
        "roster_entry.html",
        status=status,
        case=case,
        basics=[(texts(f"roster_page.field_{name}"), shown[name] or "—") for name in FIELDS if name != "name"],
        inputs=fields,
        shown=shown,
        cohort=replace(cohort, required=True),
        act=typed.act,
        history=history_lines(office.context, history),
        done=done,
        error=error or typed.errors.get("", ""),
    )


async def hits_page(office: RosterOffice, hits: Sequence[RosterEntry], *, more: bool, text: str) -> Response:
    await office.look_up(*(hit.student_id for hit in hits))
    return office.page("roster_hits.html", status=200 if hits else 404, hits=hits, more=more, q=text)


def _new_page(office: RosterOffice, number: str, typed: NotDone, *, status: int = 200) -> Response:
    return office.page(
        "roster_new.html",
        status=status,
        number=number,
        inputs=inputs(office.context.texts, typed.values, typed.errors, office.categories),
        errors=typed.errors,
    )


def _texts_of(case: RosterCase) -> dict[str, str]:
    return {name: str(case.student.get(name) or "") for name in FIELDS}


def _errors(texts: Texts, refused: DeskRefused) -> dict[str, str]:
    """By field, of the whole under the empty name."""
    known = {one.field: one.problem for one in refused.errors}
    named = {name: wrong(texts, name, problem) for name, problem in known.items() if name in (*FIELDS, "student_id")}
    return named or {"": texts("staff.refused", why=refused.detail)}
