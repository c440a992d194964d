"""What a department declares: record, rules and desk operations. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.operations import OperationBody
from services.kit.rules.assessment import Assessment


class Record(BaseModel):
    """A student's record at a department; the defaults mean "nothing on record"."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def updated(self, **fields: Any) -> Self:
        """An unvalidated copy; the same object when nothing changes."""
        if all(getattr(self, name) == value for name, value in fields.items()):
            return self
        return self.model_copy(update=fields)


R = TypeVar("R", bound=Record)
B = TypeVar("B", bound=OperationBody)


@dataclass(frozen=True, slots=True)
class Operation(Generic[R, B]):
    """`POST /operations/<name>`.

    `apply` returns the new record and the cause of the change, or the same record if there is nothing to do. Raises
    `Refused`.
    """

    name: str
    summary: str
    body: type[B]
    apply: Callable[[R, B], tuple[R, Reason]]


@dataclass(frozen=True, slots=True)
class DepartmentRules(Generic[R]):
    """A department, named after the folder of `module` (the declaring module's `__name__`).

    `apply_row` returns the same record when the row is nothing new, so that importing a file twice is harmless.
    `commands`: the students' commands, by their names in the manifest.
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
