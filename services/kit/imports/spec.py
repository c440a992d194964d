"""What a service declares of its import: the row model, its headings, and how a row is applied."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from services.kit.imports.files.columns import ORIGINAL, Columns
from services.kit.imports.files.kinds import FieldKind, spelled
from services.kit.imports.sources.columns import SourcedColumns
from services.kit.imports.sources.source import Source
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
    each transaction, `refusal` gives the words of a refusal, `examples` are rows for the OpenAPI document.
    """

    kind: str
    row: type[T]
    headings: Mapping[str, str]
    apply: Callable[[Connection, T, datetime], Awaitable[Outcome]]
    role: str
    after_commit: Callable[[], None] = lambda: None
    refusal: Callable[[Refused], str] = plain_refusal
    examples: tuple[Mapping[str, Any], ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By name: how the files of other systems are read."""

    @cached_property
    def columns(self) -> Columns:
        return Columns(self.row, self.headings)

    @cached_property
    def file_columns(self) -> SourcedColumns:
        """What the headings of a file mean."""
        return SourcedColumns(self.row, self.headings, self.sources)

    @cached_property
    def _spelled(self) -> tuple[tuple[str, FieldKind], ...]:
        """The fields with a spelling of their own; the model itself trims a text."""
        return tuple((name, kind) for name, kind in self.columns.kinds.items() if kind is not FieldKind.TEXT)

    def read(self, cells: Mapping[str, str]) -> T:
        """The validated row. Raises `ValidationError`, which `row_problems` explains."""
        values = {name: cell for name, cell in cells.items() if not name.startswith(ORIGINAL)}
        for name, kind in self._spelled:
            if name in values:
                values[name] = spelled(kind, values[name])
        return self.row.model_validate(values)
