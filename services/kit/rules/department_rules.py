"""What a department declares: record, rules and desk operations. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.operations import ItemBody, OperationBody, Refused
from services.kit.rules.assessment import Assessment
from services.kit.rules.evidence import ActEvidence
from services.kit.rules.fields import item_key
from services.kit.rules.undo import Undo


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

    `apply` returns record and cause; the same record when there is nothing to do. Raises `Refused`. `checks`: those it
    is evidence for, None for every one. `items`: what the body speaks of, besides what its fields name.
    """

    name: str
    summary: str
    body: type[B]
    apply: Callable[[R, B], tuple[R, Reason]]
    checks: frozenset[str] | None = None
    items: frozenset[str] = frozenset()
    taken: Callable[[B], Refused] | None = None
    """Refuses it while another student holds an item of the body."""
    undo: Undo[R] | None = None
    """How the office takes it back; `no_undo` of the manifest says why it cannot."""


N = TypeVar("N", bound=ItemBody)


@dataclass(frozen=True, slots=True)
class HolderOperation(Generic[R, N]):
    """`POST /operations/<name>` of the one student who holds an item of the body.

    `not_one`: refuses it for this number of holders, 0 or more than 1. `checks` as in `Operation`.
    """

    name: str
    summary: str
    body: type[N]
    apply: Callable[[R, N], tuple[R, Reason]]
    not_one: Callable[[int], Refused]
    checks: frozenset[str] | None = None
    undo: Undo[R] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Items that no other student may hold; `refused` otherwise."""

    items: frozenset[str]
    refused: Refused


@dataclass(frozen=True)
class DepartmentRules(Generic[R]):
    """Named after the folder of `module`, the declaring module's `__name__`.

    `apply_row` returns the same record for nothing new: importing twice is harmless. `commands` are the students', by
    manifest name. `row_checks`: those a row is evidence for; every one without it. `file_checks`: those of which a
    file with columns for these fields can be the whole list; every one without it. `items`: what the fields of a row or
    body name, by `rules.evidence.item`; without it only a replaced record settles what a refused row left open.
    """

    module: str
    record: type[R]
    assess: Callable[[R], Assessment]
    operations: tuple[Operation[R, Any], ...]
    import_row: type[OperationBody]
    apply_row: Callable[[R, Any], R]
    commands: Mapping[str, Callable[[R], tuple[R, Reason]]] = field(default_factory=dict)
    row_checks: Callable[[Any], frozenset[str]] | None = None
    file_checks: Callable[[frozenset[str]], frozenset[str]] | None = None
    items: Callable[[Mapping[str, Any]], frozenset[str]] = lambda fields: frozenset()
    row_without: Callable[[Any, frozenset[str]], Any] | None = None
    """The row without what it says of these items, where a row may speak of several."""
    holder_operations: tuple[HolderOperation[R, Any], ...] = ()
    holdings: Callable[[R], frozenset[str]] | None = None
    """Items of a record that one student at a time holds."""

    @property
    def name(self) -> str:
        return self.module.split(".")[-2]

    @cached_property
    def checks(self) -> frozenset[str]:
        return frozenset(check.check for check in self.nothing.checks)

    @cached_property
    def nothing(self) -> Assessment:
        """Of a record without a word."""
        return self.assess(self.record())

    def items_of_command(self, name: str) -> frozenset[str]:
        """Of the desk's operation of the same name."""
        return next((operation.items for operation in self.operations if operation.name == name), frozenset())

    def evidence_of_operation(self, operation: Operation[R, B], body: B) -> ActEvidence:
        return ActEvidence(operation.checks, operation.items | self.items(body.model_dump()))

    def checks_of_file(self, fields: frozenset[str]) -> frozenset[str]:
        return self.checks if self.file_checks is None else self.file_checks(fields)

    def claim_of(self, operation: Operation[R, B], body: B) -> Claim | None:
        return Claim(self.items(body.model_dump()), operation.taken(body)) if operation.taken else None

    def contradict(self, row: Any, other: Any) -> bool:
        """Whether it matters which of two rows of a student is applied last. Not of a row that is refused."""
        try:
            one, another = (
                self.apply_row(self.apply_row(self.record(), first), last)
                for first, last in ((row, other), (other, row))
            )
        except Refused:
            return False
        return _in_any_order(one) != _in_any_order(another)

    def evidence_of_row(self, row: OperationBody) -> ActEvidence:
        return ActEvidence(self.row_checks(row) if self.row_checks else None, self.items(vars(row)))


def _in_any_order(record: Record) -> dict[str, Any]:
    """However its names are spelled."""
    return {
        name: sorted(item_key(*map(str, part.values())) for part in value) if isinstance(value, list) else value
        for name, value in record.model_dump(mode="json").items()
    }
