"""Forms of a desk: the fields of an operation are its department's, so no model here names them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.staff.current_office import CurrentOffice, Office
from services.gateway.staff.desk.desk_answers import DeskOperation
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.desk.operation_form import STUDENT, Typed, body_of
from services.kit.http.problems import Problem

_PREFIX: Final = "f."
_MAX_FIELDS: Final = 300
_MAX_CHARACTERS: Final = 20_000
_KEY: Final = re.compile(r"[\x21-\x7e]{0,100}")
"""It is sent on in a header, behind which a mass act puts each student's own part."""


@dataclass(frozen=True, slots=True)
class DeskForm:
    """`fields` of the operation, `values` by name, `students` picked in a list."""

    office: Office
    values: Mapping[str, str]
    fields: Mapping[str, str]
    students: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    async def operation(self) -> DeskOperation:
        """Raises a 422 `Problem` for none of the department's, and `DeskUnavailable`."""
        for one in await self.office.desk.operations(self.office.person):
            if one.name == self["operation"]:
                return one
        raise Problem(422, "unknown-operation", title="The department has no such operation")

    def typed(self, errors: Mapping[str, str]) -> Typed:
        return Typed(self["anchor"] or self["operation"], self.fields, errors)


async def desk_form(request: Request, office: CurrentOffice) -> DeskForm:
    """Raises a 403 or a 422 `Problem`."""
    sent = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    pairs = [(name, str(value)) for name, value in sent.multi_items()]
    if any(len(value) > _MAX_CHARACTERS or "\x00" in value for _, value in pairs):
        raise _wrong_request()
    values = dict(pairs)
    office.check_csrf(values.get("csrf", ""))
    if not _KEY.fullmatch(values.get("key", "")):
        raise _wrong_request()
    fields = {name.removeprefix(_PREFIX): value for name, value in values.items() if name.startswith(_PREFIX)}
    return DeskForm(office, values, fields, tuple(value for name, value in pairs if name == "pick"))


def _wrong_request() -> Problem:
    return Problem(422, "invalid-request", title="The request has wrong or missing fields")


SentForm = Annotated[DeskForm, Depends(desk_form)]


def missing(texts: Texts, operation: DeskOperation, fields: Mapping[str, str]) -> dict[str, str]:
    """By field: what has to be filled in."""
    body = body_of(operation, fields)
    required = set(operation.body.get("required", ())) - {STUDENT}
    return {name: texts("staff.field_missing") for name in required if name not in body}


def errors_of(texts: Texts, operation: DeskOperation, refused: DeskRefused) -> dict[str, str]:
    """By field, of the whole under the empty name; in the language of the page."""
    if (words := _of_every_form(texts, refused)) is not None:
        return {"": words}
    if refused.status == 422:
        known = {one.field: one.problem for one in refused.errors}
        return {field: _wrong(texts, operation, field, problem) for field, problem in known.items()} or {
            "": texts("staff.refused", why=refused.detail)
        }
    why = _detail(texts, refused)
    fields = [one.field for one in refused.errors if one.field]
    return {fields[0] if fields else "": why}


def undo_error(texts: Texts, refused: DeskRefused) -> str:
    if refused.status == 422 and refused.errors:
        return texts("staff.field_wrong")
    return _of_every_form(texts, refused) or _detail(texts, refused)


def _of_every_form(texts: Texts, refused: DeskRefused) -> str | None:
    if refused.slug == "still-reading":
        return texts("staff.still_reading")
    if refused.status == 423:
        return texts("staff.held")
    return texts("staff.sent_before") if refused.slug == "idempotency-key-reused" else None


def _detail(texts: Texts, refused: DeskRefused) -> str:
    return refused.detail_zh if texts.language == "zh" and refused.detail_zh else refused.detail


def _wrong(texts: Texts, operation: DeskOperation, field: str, problem: str) -> str:
    if texts.language == "en":
        return problem
    part = operation.body.get("properties", {}).get(field, {})
    examples = part.get("examples") or ()
    return texts("staff.field_wrong_like", example=str(examples[0])) if examples else texts("staff.field_wrong")
