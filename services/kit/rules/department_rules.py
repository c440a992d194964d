"""What a department declares: record, rules and desk operations. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.operations import OperationBody
from services.kit.rules.assessment import Assessment


class Record(BaseModel):
    """The defaults mean "nothing on record"."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def updated(self, **fields: Any) -> Self:
        """Unvalidated; the same object if nothing changes."""
        if all(getattr(self, name) == value for name, value in fields.items()):
            return self
        return self.model_copy(update=fields)


R = TypeVar("R", bound=Record)
B = TypeVar("B", bound=OperationBody)


@dataclass(frozen=True, slots=True)
class Operation(Generic[R, B]):
    """`POST /operations/<name>`.

    `apply` returns record and cause; the same record when there is nothing to do. Raises `Refused`.
    """

    name: str
    summary: str
    body: type[B]
    apply: Callable[[R, B], tuple[R, Reason]]


@dataclass(frozen=True, slots=True)
class DepartmentRules(Generic[R]):
    """Named after the folder of `module`, the declaring module's `__name__`.

    `apply_row` returns the same record for nothing new: importing twice is harmless. `commands` are the students', by
    manifest name.
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
