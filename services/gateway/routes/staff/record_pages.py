"""A student at a department's desk: searched by number or name, looked at, operated on. All by POST."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, TypeAdapter, ValidationError

from services.gateway.case.progress import current_waivers
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.types import ReadModelUnavailable
from services.gateway.routes.dependencies import Students, WorkLists
from services.gateway.routes.staff.current_office import CurrentOffice, Office
from services.gateway.routes.staff.desk_forms import SentForm, errors_of, missing, undo_error
from services.gateway.routes.staff.work_list_pages import list_page
from services.gateway.staff.desk.desk_answers import DeskRecord
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.desk.operation_form import STUDENT, Typed, body_of, operation_label
from services.gateway.staff.desk.record_view import AtDesk, record_page
from services.gateway.staff.lists.work_list import Filters
from services.gateway.typed_names import may_be_name, typed_name
from services.gateway.web.csrf import CsrfFields
from services.kit.rules.fields import Paragraph
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)
_PARAGRAPH: Final[TypeAdapter[str]] = TypeAdapter(Paragraph)
_HITS: Final = "staff_hits.html"


class _Search(CsrfFields):
    q: Annotated[str, Field(max_length=200)] = ""


class _Undo(CsrfFields):
    student: Annotated[str, Field(max_length=64)] = ""
    entry: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    reason: Annotated[str, Field(max_length=200)] = ""
    key: Annotated[str, Field(max_length=128, pattern=r"^[\x21-\x7e]*$")] = ""


class _Note(CsrfFields):
    student: Annotated[str, Field(max_length=64)] = ""
    text: Annotated[str, Field(max_length=2_000)] = ""
    key: Annotated[str, Field(max_length=128, pattern=r"^[\x21-\x7e]*$")] = ""


class _Answer(CsrfFields):
    student: Annotated[str, Field(max_length=64)] = ""
    comment: UUID | None = None
    text: Annotated[str, Field(max_length=2_000)] = ""


@router.get("/staff/{department}/comment")
@router.get("/staff/{department}/note")
@router.get("/staff/{department}/student")
@router.get("/staff/{department}/operate")
@router.get("/staff/{department}/undo")
@router.get("/staff/{department}/item")
async def from_the_start(office: CurrentOffice) -> Response:
    """After a change of language, or a reload without its form."""
    return RedirectResponse(office.address, 303)


@router.post("/staff/{department}/student")
async def search(
    office: CurrentOffice, students: Students, lists: WorkLists, form: Annotated[_Search, Form()]
) -> Response:
    """By number, else by the beginning of a name."""
    office.check_csrf(form.csrf)
    text = typed_name(form.q)
    number = student_number(text) if any(one.isdigit() for one in text) else None
    if number is not None:
        return await student_page(office, students, number)
    hits, more = await lists.named(text) if may_be_name(text) else ((), False)
    if len(hits) == 1:
        return await student_page(office, students, hits[0].student_id)
    await office.look_up(*(hit.student_id for hit in hits))
    return office.page(_HITS, status=200 if hits else 404, hits=hits, more=more, q=text)


@router.post("/staff/{department}/operate")
async def operate(office: CurrentOffice, students: Students, form: SentForm) -> Response:
    operation, texts, student_id = await form.operation(), office.context.texts, form["student"]
    errors = missing(texts, operation, form.fields)
    if errors:
        return await student_page(office, students, student_id, typed=form.typed(errors), status=422)
    body = {STUDENT: student_id, **body_of(operation, form.fields)}
    try:
        answer = await office.desk.operate(office.person, operation.name, body, form["key"])
    except DeskRefused as refused:
        typed = form.typed(errors_of(texts, operation, refused))
        return await student_page(office, students, student_id, typed=typed, status=refused.status)
    done = _done(office, answer, operation_label(texts, office.department, operation))
    return await student_page(office, students, student_id, answer=answer, done=done)


@router.post("/staff/{department}/undo")
async def take_back(office: CurrentOffice, students: Students, form: Annotated[_Undo, Form()]) -> Response:
    """An entry of the student's history."""
    office.check_csrf(form.csrf)
    texts = office.context.texts
    if not form.reason.strip():
        return await student_page(office, students, form.student, wrong=texts("staff.undo_reason_missing"), status=422)
    try:
        answer = await office.desk.take_back(office.person, form.student, form.entry, form.reason, form.key)
    except DeskRefused as refused:
        wrong, undone = undo_error(texts, refused), (form.entry, form.reason)
        return await student_page(office, students, form.student, wrong=wrong, undone=undone, status=refused.status)
    return await student_page(office, students, form.student, answer=answer, done=texts("staff.undo_done"))


@router.post("/staff/{department}/note")
async def write_note(office: CurrentOffice, students: Students, form: Annotated[_Note, Form()]) -> Response:
    """For the others of the office."""
    office.check_csrf(form.csrf)
    wrong, status = office.context.texts("staff.note_missing"), 422
    if form.text.strip():
        try:
            await office.desk.write_note(office.person, form.student, form.text, form.key)
        except DeskRefused as refused:
            wrong, status = office.context.texts("staff.note_wrong"), refused.status
        else:
            return await student_page(office, students, form.student, done=office.context.texts("staff.note_written"))
    return await student_page(office, students, form.student, wrong=wrong, note=form.text, status=status)


@router.post("/staff/{department}/comment")
async def answer_comment(office: CurrentOffice, students: Students, form: Annotated[_Answer, Form()]) -> Response:
    """The student reads it at the check."""
    office.check_csrf(form.csrf)
    texts, name = office.context.texts, office.department.name
    try:
        text = _PARAGRAPH.validate_python(form.text)
    except ValidationError:
        said, wrong = (form.comment, form.text), texts("comment.wrong")
        return await student_page(office, students, form.student, wrong=wrong, said=said, status=422)
    account = office.staff.session.account
    if not form.comment or not await office.comments.answer(
        form.comment, name, text, by=office.person, account=account
    ):
        return await student_page(office, students, form.student, wrong=texts("staff.comment_gone"), status=409)
    return await student_page(office, students, form.student, done=texts("staff.comment_done"))


@router.post("/staff/{department}/item")
async def operate_item(office: CurrentOffice, students: Students, lists: WorkLists, form: SentForm) -> Response:
    """Of a student who is not known before: the answer says whose item it was."""
    operation, texts = await form.operation(), office.context.texts
    errors: Mapping[str, str] = missing(texts, operation, form.fields)
    status = 422
    if not errors:
        try:
            answer = await office.desk.operate(
                office.person, operation.name, body_of(operation, form.fields), form["key"]
            )
        except DeskRefused as refused:
            errors, status = errors_of(texts, operation, refused), refused.status
        else:
            done = _done(office, answer, operation_label(texts, office.department, operation))
            return await student_page(office, students, answer.student_id, answer=answer, done=done)
    return await list_page(office, lists, Filters(), typed=form.typed(errors), status=status)


async def student_page(
    office: Office,
    students: ReadModel,
    student_id: str,
    *,
    answer: DeskRecord | None = None,
    typed: Typed | None = None,
    done: str = "",
    wrong: str = "",
    note: str = "",
    said: tuple[UUID | None, str] = (None, ""),
    undone: tuple[int, str] = (0, ""),
    status: int = 200,
) -> Response:
    """`answer`: of an operation just done, `done`: its words.

    `wrong`: why something was not done, as this `note`, what was `said` to a comment, or an entry to be `undone` with
    its reason.
    """
    person = office.person
    await office.look_up(student_id)
    try:
        answer = answer or await office.desk.record(person, student_id)
        history, notes = await asyncio.gather(
            office.desk.history(person, student_id), office.desk.notes(person, student_id)
        )
    except DeskRefused:
        return office.page(_HITS, status=404, hits=(), more=False, q=student_id)
    comments = await office.comments.at(office.department.name, student_id)
    found = await students.of(student_id)
    snapshot = None if isinstance(found, ReadModelUnavailable) else found
    waivers = current_waivers(snapshot, office.context.site) if snapshot else {}
    name = office.department.name
    at = AtDesk(
        department=office.department,
        person=office.name,
        operations=await office.desk.operations(person),
        answer=answer,
        history=history,
        notes=notes,
        comments=comments,
        case=snapshot.case if snapshot else None,
        waivers={check: one for (department, check), one in waivers.items() if department == name},
        typed=typed,
    )
    page = record_page(office.context, at)
    return office.page(
        "staff_record.html", status=status, page=page, done=done, wrong=wrong, note=note, said=said, undone=undone
    )


def _done(office: Office, answer: DeskRecord, label: str) -> str:
    return office.context.texts("staff.done" if answer.applied else "staff.nothing_changed", act=label)
