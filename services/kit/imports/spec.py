"""What a service declares of its import: the row model, its headings, and how a row is applied."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from pydantic import ValidationError

from services.kit.imports.files.columns import Columns, RowProblem
from services.kit.operations import OperationBody, Refused
from services.kit.postgres.pool import Connection

Outcome = Literal["applied", "unchanged"]
T = TypeVar("T", bound=OperationBody)


def plain_refusal(refused: Refused) -> str:
    """A refusal spelled out from its code and parameters, for a department without words for it."""
    parameters = ", ".join(f"{name} {value}" for name, value in refused.reason.parameters.items())
    words = refused.reason.code.replace("-", " ")
    return f"{words} ({parameters})" if parameters else words


@dataclass(frozen=True)
class ImportSpec(Generic[T]):
    """One kind of import; kinds share neither jobs nor workers.

    `apply(connection, row, now)` takes part in the transaction open on `connection`. It is idempotent, "unchanged" the
    second time: that makes importing a file twice harmless. It may raise `Refused` and `Held`. `headings` are further
    names of columns (`{"学号": "student_id"}`), `role` is the role that may import, `after_commit` is called after
    each transaction, `refusal` gives the words of a refusal, and `examples` are rows for the OpenAPI document.
    """

    kind: str
    row: type[T]
    headings: Mapping[str, str]
    apply: Callable[[Connection, T, datetime], Awaitable[Outcome]]
    role: str
    after_commit: Callable[[], None] = lambda: None
    refusal: Callable[[Refused], str] = plain_refusal
    examples: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def columns(self) -> Columns:
        return Columns(self.row, self.headings)

    @cached_property
    def _days(self) -> frozenset[str]:
        return frozenset(name for name, field in self.row.model_fields.items() if _is_day(field.annotation))

    def read(self, cells: Mapping[str, str]) -> T:
        """The validated row. Raises `ValidationError`, which `row_problems` explains."""
        return self.row.model_validate(
            {name: as_day(text) if name in self._days else text for name, text in cells.items()}
        )


def row_problems(error: ValidationError) -> tuple[RowProblem, ...]:
    """The faults of a row's fields, in words that never repeat the value."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    return tuple(_problem(each["loc"], each["type"], each["msg"], each.get("ctx") or {}) for each in found[:20])


def _problem(loc: tuple[int | str, ...], kind: str, message: str, context: Mapping[str, Any]) -> RowProblem:
    field = str(loc[0]) if loc else ""
    problem = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "missing":
        return {"field": field, "problem": "this field is empty", "remedy": "Fill it in."}
    if kind in ("enum", "literal_error"):
        return {"field": field, "problem": "not one of the accepted values", "remedy": f"One of {context['expected']}."}
    wanted = problem.partition(" should ")[2]
    return {"field": field, "problem": problem, "remedy": f"It should {wanted}." if wanted else "Correct the value."}


_DAY: Final = re.compile(r"\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]0?0:00(?::00)?)?\s*")


def as_day(text: str) -> str:
    """YYYY-MM-DD for a day as spreadsheets write it into a CSV (2026/6/5, 2026年6月5日); any other text as it is."""
    found = _DAY.fullmatch(text)
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else text


def _is_day(annotation: object) -> bool:
    return annotation is date or any(_is_day(each) for each in get_args(annotation))
