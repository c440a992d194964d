"""Student numbers as people and systems write them, read into the one spelling at every door.

A university may narrow their form: once a process, because it has one university.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError

from schemas.events import CaseState
from schemas.student_ids import canonical_student_id
from schemas.types import STUDENT_ID_PATTERN

NO_NUMBER: Final = "student_number"
"""Type of the validation error of what is no student number anywhere."""
OTHER_FORM: Final = "student_number_form"
"""Type of the validation error of a number that is not of the university's form; its context has `example`."""


class Standing(StrEnum):
    """Of a number on the roster, as far as a department has heard."""

    OPEN = "open"
    COMPLETED = "completed"
    """The submission was accepted."""
    NOT_SERVED = "not-served"
    """On the roster, in a leave category that does not use the service."""
    CLOSED = "closed"
    """Taken off the roster."""
    UNKNOWN = "unknown"
    """Never on the roster: mistyped, or the roster has not been loaded."""

    @classmethod
    def of(cls, state: CaseState | None) -> "Standing":
        return cls.UNKNOWN if state is None else cls(state.value)


@dataclass(frozen=True, slots=True)
class NumberForm:
    """`pattern` is matched against a whole number in its one spelling, `example` is one for people to read."""

    pattern: re.Pattern[str]
    example: str

    @classmethod
    def of(cls, pattern: str, example: str) -> "NumberForm":
        """Raises `ValueError`."""
        try:
            form = cls(re.compile(pattern), example)
        except re.error as error:
            raise ValueError(f"the pattern of student numbers is no regular expression: {error}") from None
        if canonical_student_id(example) != example or not form.pattern.fullmatch(example):
            raise ValueError("the example must be a student number of the pattern, in upper case")
        return form


_form: NumberForm | None = None


def use_number_form(form: NumberForm | None) -> None:
    """Of this process from now on; None for the general one."""
    global _form
    _form = form


def student_number(text: str) -> str | None:
    """The one spelling; None when it is no student number of this university."""
    number = canonical_student_id(text)
    return number if number is not None and (_form is None or _form.pattern.fullmatch(number)) else None


def _spelled(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    number = canonical_student_id(value)
    if number is None:
        remedy = "It has 3 to 32 letters, digits or hyphens, and begins with a letter or a digit."
        raise PydanticCustomError(NO_NUMBER, "This is not a student number", {"remedy": remedy})
    return number


def _of_the_form(number: str) -> str:
    if _form is not None and not _form.pattern.fullmatch(number):
        remedy = f"Check the number; one of this university is written like {_form.example}."
        context = {"example": _form.example, "remedy": remedy}
        raise PydanticCustomError(OTHER_FORM, "This is not a student number of this university", context)
    return number


class _PublishedForm:
    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Mapping[str, Any]:
        schema = handler(core)
        if _form is not None:
            schema |= {"pattern": f"^({_form.pattern.pattern})$", "examples": [_form.example]}
        return schema


AnyNumber = Annotated[
    str,
    Field(
        pattern=STUDENT_ID_PATTERN,
        examples=["TS20260001"],
        description="Compared in upper case, trimmed, with full-width characters folded.",
    ),
    BeforeValidator(_spelled),
]
"""Of a request or a row: becomes the one spelling, of whatever form, for one that an earlier system gave."""
StudentNumber = Annotated[AnyNumber, AfterValidator(_of_the_form), _PublishedForm()]
"""A student's number of a request or a row. Events have `schemas.types.StudentId`, which is strict."""
