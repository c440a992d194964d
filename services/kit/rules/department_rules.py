"""What a department declares: its record, its rules, and the operations of its desk. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.operations import OperationBody
from services.kit.rules.assessment import Assessment


class Record(BaseModel):
    """Base of a department's record of one student. Its defaults mean "nothing on record"."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def updated(self, **fields: Any) -> Self:
        """A copy with these fields, unvalidated; the record itself when they are what it holds."""
        if all(getattr(self, name) == value for name, value in fields.items()):
            return self
        return self.model_copy(update=fields)


R = TypeVar("R", bound=Record)
B = TypeVar("B", bound=OperationBody)


@dataclass(frozen=True, slots=True)
class Operation(Generic[R, B]):
    """One operation of a desk: `POST /operations/<name>`.

    `apply` returns the new record and the cause of the change, or the very same record when there is nothing to do.
    Raises `Refused` when a rule does not allow it.
    """

    name: str
    summary: str
    body: type[B]
    apply: Callable[[R, B], tuple[R, Reason]]


@dataclass(frozen=True, slots=True)
class DepartmentRules(Generic[R]):
    """A whole department, which is called after the folder of `module`, the `__name__` of the declaring module.

    `apply_row` returns the record as an import row states it, and the very same record when the row states nothing
    new: that makes importing a file twice harmless. `commands` are what a student may ask for, by the manifest's names.
    """

    module: str
    record: type[R]
    assess: Callable[[R], Assessment]
    operations: tuple[Operation[R, Any], ...]
    import_row: type[OperationBody]
    apply_row: Callable[[R, Any], R]
    commands: Mapping[str, Callable[[R], tuple[R, Reason]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.module.split(".")[-2]
