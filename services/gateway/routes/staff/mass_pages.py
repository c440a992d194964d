"""One operation for many students: chosen in the list or pasted, looked through, done, with a result for each."""

from collections import Counter
from collections.abc import Mapping

from fastapi import APIRouter, Response

from services.gateway.routes.dependencies import WorkLists
from services.gateway.routes.staff.current_office import CurrentOffice, Office
from services.gateway.routes.staff.desk_forms import DeskForm, SentForm, errors_of, missing
from services.gateway.staff.desk.desk_answers import DeskOperation
from services.gateway.staff.desk.operation_form import body_of, operation_label, operation_view
from services.gateway.staff.lists.mass import MAX_STUDENTS, Meant, Result, for_many, meant, operate_each
from services.gateway.staff.lists.work_list import WorkListReader
from services.kit.http.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/staff/{department}/mass")
async def begin(office: CurrentOffice) -> Response:
    return await _choose(office, "", "")


@router.post("/staff/{department}/mass")
async def go_on(office: CurrentOffice, lists: WorkLists, form: SentForm) -> Response:
    """`step`: none from the list, `look` with an operation chosen, `run` when looked through."""
    text = form["students"] or "\n".join(form.students)
    students, texts = meant(text), office.context.texts
    if form["step"] not in ("look", "run"):
        return await _choose(office, text, "")
    if not students.students or students.too_many:
        why = texts("staff.mass_too_many", most=MAX_STUDENTS) if students.too_many else texts("staff.mass_nobody")
        return await _choose(office, text, why, status=422)
    offered = for_many(office.department, await office.desk.operations(office.person))
    operation = next((one for one in offered if one.name == form["operation"]), None)
    if operation is None:
        if form["operation"]:
            raise Problem(422, "unknown-operation", title="The department has no such operation for many")
        return await _choose(office, text, texts("staff.mass_no_operation"), status=422)
    errors = missing(texts, operation, form.fields) if form["step"] == "run" else {}
    if form["step"] == "look" or errors:
        return await _look(office, lists, form, operation, students, errors)
    body = body_of(operation, form.fields)
    results = await operate_each(office.desk, office.person, operation.name, body, students.students, form["key"])
    return await _results(office, lists, form, operation, results)


async def _choose(office: Office, text: str, error: str, *, status: int = 200) -> Response:
    offered = for_many(office.department, await office.desk.operations(office.person))
    options = [(one.name, operation_label(office.context.texts, office.department, one)) for one in offered]
    return office.page("staff_mass.html", status=status, text=text, operations=options, error=error, most=MAX_STUDENTS)


async def _look(
    office: Office,
    lists: WorkListReader,
    form: DeskForm,
    operation: DeskOperation,
    students: Meant,
    errors: Mapping[str, str],
) -> Response:
    view = operation_view(office.context.texts, office.department, operation, operation.name, typed=form.typed(errors))
    await office.look_up(*students.students)
    names = await lists.names(students.students)
    return office.page(
        "staff_mass_look.html",
        status=422 if errors else 200,
        students=[(one, names.get(one, "")) for one in students.students],
        wrong=students.wrong,
        operation=view,
        key=form["key"],
    )


async def _results(
    office: Office, lists: WorkListReader, form: DeskForm, operation: DeskOperation, results: list[Result]
) -> Response:
    texts = office.context.texts
    names = await lists.names([one.student_id for one in results])
    rows = [
        (
            one.student_id,
            names.get(one.student_id, ""),
            one.state,
            " ".join(errors_of(texts, operation, one.refused).values()) if one.refused else "",
        )
        for one in results
    ]
    return office.page(
        "staff_mass_results.html",
        label=operation_label(texts, office.department, operation),
        rows=rows,
        counts=Counter(one.state for one in results),
        form=form,
    )
