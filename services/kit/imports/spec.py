"""What a service declares of its import: the row model, its headings, and how a row is applied."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

from schemas.student_ids import canonical_student_id
from services.kit.imports.files.columns import ORIGINAL, Columns
from services.kit.imports.files.kinds import FieldKind, spelled
from services.kit.imports.files.problems import RowProblem, is_of_unknown_member
from services.kit.imports.sources.columns import SourcedColumns
from services.kit.imports.sources.source import Source
from services.kit.operations import Held, OperationBody, Refused
from services.kit.postgres.pool import Connection
from services.kit.rules.instants import in_zone, read_instant
from services.kit.student_numbers import Standing

Outcome = Literal["applied", "unchanged"]


class RowEffect(NamedTuple):
    """Of an applied row. `standing`: of its number on the roster.

    `effect`: what the import's own counts call it; `unrecognised`: a word that the configuration does not have.
    """

    outcome: Outcome
    standing: Standing
    effect: str | None = None
    unrecognised: str | None = None
    version: int | None = None
    """Of what is published about the student, after it."""


T = TypeVar("T", bound=OperationBody)


def plain_refusal(refused: Refused) -> str:
    """A refusal spelled out from its code and parameters, for a department without words for it."""
    parameters = ", ".join(f"{name} {value}" for name, value in refused.reason.parameters.items())
    words = refused.reason.code.replace("-", " ")
    return f"{words} ({parameters})" if parameters else words


@dataclass(frozen=True, slots=True)
class RowSource:
    """`sent_by` is who uploaded the job's file. `as_of`: when it was true, at its arrival unless it says when.

    `batch`: what `begin_batch` made for the transaction of the row.
    """

    job_id: UUID
    sent_by: str
    as_of: datetime
    batch: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row whose student can be read and that was not applied.

    `ids_readable`: no id of it is faulty, so that `cells` tell what the row speaks of. `as_of`: None if what the row
    says of it cannot be read.
    """

    source: RowSource
    number: int
    student_id: str
    cells: Mapping[str, str]
    problems: Sequence[RowProblem]
    ids_readable: bool
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """`covers`: the cohorts the file was for; empty if it names none."""

    sha256: bytes
    covers: tuple[str, ...]
    problems: Sequence[RowProblem]
    sent_by: str


@dataclass(frozen=True, slots=True)
class CoveringFile:
    """A file that was read whole, each row applied or its student in doubt. `covers`: cohorts, `*` for every one.

    `fields`: those it has columns for.
    """

    source: RowSource
    covers: tuple[str, ...]
    as_of: datetime
    fields: frozenset[str] = frozenset()


class ImportEvidence(Protocol):
    """What a service makes of refused rows and files, and of complete ones."""

    async def row_refused(self, connection: Connection, row: RefusedRow, now: datetime) -> Standing:
        """In the transaction of the row's outcome. The standing of the row's number."""

    async def file_refused(self, file: RefusedFile, now: datetime) -> None: ...

    async def covered(self, connection: Connection, file: CoveringFile, now: datetime) -> bool:
        """Whether it covers anything. Outside a transaction, after the last row; may be repeated."""


class RowFailed(Exception):
    """Of rows without savepoints: the transaction is to be rolled back, and its rows tried again with them."""


class Batch(Protocol):
    """What rows of one transaction share. `wrote`: the row under way has written something before `finish`."""

    wrote: bool

    async def finish(self, connection: Connection) -> None:
        """After the last row. May raise `RowFailed`."""


async def not_noted(_: Connection, __: str, ___: Held) -> None: ...


@dataclass(frozen=True)
class ImportSpec(Generic[T]):
    """One kind of import; kinds share neither jobs nor workers.

    `apply(connection, row, source, now)` takes part in the transaction open on `connection`. It is idempotent,
    "unchanged" the second time: that makes importing a file twice harmless. It may raise `Refused` and `Held`.
    `headings` are further names of columns (`{"学号": "student_id"}`), `role` is the role that may import,
    `after_commit` is called after each transaction, `refusal` gives the words of a refusal, `examples` are rows for
    the OpenAPI document, and without `evidence` a refused row leaves nothing open and a file covers nobody.
    """

    kind: str
    row: type[T]
    headings: Mapping[str, str]
    apply: Callable[[Connection, T, RowSource, datetime], Awaitable[RowEffect]]
    role: str
    begin_batch: Callable[[Connection, Sequence[str], bool], Awaitable[Batch]] | None = None
    """Before the rows of one transaction, with the numbers of their students, and whether `finish` may write all rows
    together: no, if each has a savepoint."""
    on_held: Callable[[Connection, str, Held], Awaitable[None]] = not_noted
    """For each try of a row that a hold keeps back, in the transaction that keeps it pending."""
    after_commit: Callable[[], None] = lambda: None
    refusal: Callable[[Refused], str] = plain_refusal
    examples: tuple[Mapping[str, Any], ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By name: how the files of other systems are read."""
    evidence: ImportEvidence | None = None
    items: Callable[[Mapping[str, Any]], frozenset[str]] | None = None
    """What the values of a row speak of."""
    contradict: Callable[[T, T], bool] | None = None
    """Of two rows of one student about one item: whether it matters which is the later one."""
    state: Callable[[Connection, str], Awaitable[Mapping[str, Any]]] | None = None
    """What stands about a student, for previews."""
    zone: tzinfo = UTC
    """Of instants without an offset."""
    reject_outdated: bool = False
    """Else an outdated row is left out and counted."""

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
        return self.row.model_validate(self.spelled(cells))

    def spelled(self, cells: Mapping[str, str]) -> dict[str, str]:
        values = {name: cell for name, cell in cells.items() if not name.startswith(ORIGINAL)}
        for name, kind in self._spelled:
            if name in values:
                values[name] = spelled(kind, values[name])
        return values

    def has_unnamed(self, cells: Mapping[str, str], problems: Sequence[RowProblem]) -> bool:
        """Whether a cell has no heading, or a member another name, which may be that of an id that the row lacks."""
        if not problems:
            return False
        lacks_id = any(kind.identifies and name not in cells for name, kind in self.columns.kinds.items())
        return any(not one["field"] or (lacks_id and is_of_unknown_member(one)) for one in problems)

    def refused(
        self,
        source: RowSource,
        number: int,
        cells: Mapping[str, str],
        problems: Sequence[RowProblem],
        *,
        unnamed_cell: bool = False,
        valid: bool = False,
    ) -> RefusedRow | None:
        """None if the row's student cannot be read.

        `unnamed_cell`: as `has_unnamed` says. `valid`: the values are, a rule refused the row.
        """
        wrong = set() if valid else {problem["field"] for problem in problems}
        values = self.spelled(cells)
        student_id = canonical_student_id(values.get("student_id", ""))
        if student_id is None or "student_id" in wrong:
            return None
        faulty_id = any(kind.identifies and name in wrong for name, kind in self.columns.kinds.items())
        readable = not faulty_id and not unnamed_cell
        as_of = self._instant(values["as_of"]) if "as_of" in values else source.as_of
        return RefusedRow(
            source,
            number,
            student_id,
            values,
            problems,
            readable,
            as_of,
        )

    def _instant(self, text: str) -> datetime | None:
        at = read_instant(text)
        return None if at is None else in_zone(at, self.zone)
