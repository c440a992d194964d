from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.department.assessment import Assessment
from services.kit.operations import OperationBody


class Record(BaseModel):
    """Base of a department's record of one student. Its defaults mean "nothing on record"."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


R = TypeVar("R", bound=Record)


B = TypeVar("B", bound=OperationBody)


@dataclass(frozen=True, slots=True)
class Operation(Generic[R, B]):
    """One thing a desk does: `POST /operations/<name>`. `apply` returns the new record and what happened."""

    name: str
    summary: str
    body: type[B]
    apply: Callable[[R, B], tuple[R, Reason]]


@dataclass(frozen=True, slots=True)
class DepartmentRules(Generic[R]):
    """A whole department. `commands` are what a student may ask of it, by the manifest's command names."""

    name: str
    record: type[R]
    assess: Callable[[R], Assessment]
    operations: tuple[Operation[R, Any], ...]
    import_row: type[OperationBody]
    apply_row: Callable[[R, Any], tuple[R, Reason]]
    commands: Mapping[str, Callable[[R], tuple[R, Reason]]] = field(default_factory=dict)
