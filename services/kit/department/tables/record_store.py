"""Table `record`: a student's record, case, evidence and newest status."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from schemas.events import CaseState, Reason, StatusChanged
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment, next_status
from services.kit.rules.department_rules import DepartmentRules, Record
from services.kit.rules.instants import Instants
from services.kit.rules.visible_text import STORED
from services.kit.student_numbers import Standing

R = TypeVar("R", bound=Record)

PUBLISHED_CASE_STATES: Final = frozenset({CaseState.OPEN, CaseState.COMPLETED})
"""Students in other states are not leaving."""
TO_ASSESS: Final = 0
"""Older than every revision of the coverage."""
OTHER_RULES: Final = -1
"""Assessed by the rules of another release."""


@dataclass(frozen=True, slots=True)
class StoredRecord(Generic[R]):
    """`own_evidence`: checks with a record or act about the student. `cohort`: by the roster.
    `instants`: up to when what is on record was true. `version_floor`: the next version is above it.
    `case_number`: of the case that the evidence is about."""

    student_id: str
    record: R
    case_state: CaseState | None = None
    case_version: int = 0
    cohort: str | None = None
    own_evidence: frozenset[str] = frozenset()
    open_questions: int = 0
    instants: Instants = field(default_factory=dict)
    previous: StatusChanged | None = None
    version_floor: int = 0
    case_number: int = 1

    def leaving_again(self, case_number: int, cohort: str | None) -> "StoredRecord[R]":
        """For a later case: what was said about an earlier departure is no evidence for it."""
        return replace(self, case_number=case_number, cohort=cohort, own_evidence=frozenset())

    @property
    def standing(self) -> Standing:
        return Standing.of(self.case_state)

    @property
    def status_version(self) -> int:
        return 0 if self.previous is None else self.previous.version


class RecordStore(Generic[R]):
    """Methods take part in the caller's transaction."""

    def __init__(self, rules: DepartmentRules[R], *, topic: str, source: str) -> None:
        self._rules = rules
        self._topic = topic
        self._source = source

    def new(self, student_id: str, version_floor: int) -> StoredRecord[R]:
        """Of a student without a row."""
        return StoredRecord(student_id, self._rules.record(), version_floor=version_floor)

    async def lock(self, connection: Connection, student_id: str, *, absent: bool = False) -> StoredRecord[R]:
        """Creates a missing row. `absent`: this transaction has looked, and found none."""
        row = None if absent else await connection.fetchrow(_LOCK, student_id)
        if row is None:
            row = await connection.fetchrow(_CREATE, student_id, self._rules.record().model_dump_json())
        if row is None:
            # Another transaction has created it meanwhile.
            row = await connection.fetchrow(_LOCK, student_id)
            assert row is not None
        return self.stored(row)

    async def lock_all(self, connection: Connection, student_ids: Sequence[str]) -> list[StoredRecord[R]]:
        """Those that exist, locked in the order of their numbers."""
        rows = await connection.fetch(_LOCK_ALL, student_ids)
        return [self.stored(row) for row in rows]

    async def lock_each(self, connection: Connection, student_ids: Sequence[str]) -> dict[str, StoredRecord[R]]:
        """As `lock`, of several, in the order of their numbers."""
        found = {each.student_id: each for each in await self.lock_all(connection, student_ids)}
        for student_id in sorted(set(student_ids) - found.keys()):
            found[student_id] = await self.lock(connection, student_id, absent=True)
        return found

    async def lock_known(self, connection: Connection, student_ids: Sequence[str]) -> None:
        """As `lock_all`, without reading them."""
        await connection.execute(_LOCK_KNOWN, student_ids)

    async def read(self, connection: Connection, student_id: str) -> StoredRecord[R]:
        """Unlocked; empty for an unknown student."""
        row = await connection.fetchrow(_READ, student_id)
        return StoredRecord(student_id, self._rules.record()) if row is None else self.stored(row)

    def stored(self, row: Mapping[str, Any]) -> StoredRecord[R]:
        """Of `COLUMNS`."""
        return StoredRecord(
            row["student_id"],
            self._rules.record.model_validate_json(row["body"], context=STORED),
            CaseState(row["case_state"]) if row["case_state"] else None,
            row["case_version"],
            row["cohort"],
            frozenset(row["own_evidence"]),
            row["open_questions"],
            json.loads(row["instants"]) if row["instants"] != "{}" else {},
            StatusChanged.model_validate_json(row["status"]) if row["status"] else None,
            row["version_floor"],
            row["case_number"],
        )

    async def save_instants(self, connection: Connection, of: Sequence[StoredRecord[R]]) -> None:
        """Of locked records about which a later word changed nothing else."""
        students = [stored.student_id for stored in of]
        await connection.execute(_SAVE_INSTANTS, students, [json.dumps(stored.instants) for stored in of])

    async def save(
        self,
        connection: Connection,
        stored: StoredRecord[R],
        assessment: Assessment | None,
        *,
        revision: int | None,
        cause: Reason,
        now: datetime,
        again: bool = False,
    ) -> StatusChanged | None:
        """Returns and publishes the new status, unless it repeats the last (`stored.previous`) and not `again`.

        `assessment`: None publishes nothing. `revision`: of the coverage it rests on, None for none.
        """
        saving = self.saving(stored, assessment, revision=revision, cause=cause, now=now, again=again)
        await connection.execute(saving.statement, *saving.columns)
        return saving.status

    def saving(
        self,
        stored: StoredRecord[R],
        assessment: Assessment | None,
        *,
        revision: int | None,
        cause: Reason,
        now: datetime,
        again: bool = False,
        new: bool = False,
    ) -> "Saving":
        """What `save` executes. `new`: the record has no row yet, and the student no case."""
        status = None
        if assessment is not None and (again or stored.case_state in PUBLISHED_CASE_STATES):
            status = next_status(
                stored.previous,
                assessment,
                student_id=stored.student_id,
                department=self._rules.name,
                cause=cause,
                now=now,
                floor=stored.version_floor,
                again=again,
            )
        columns = (
            stored.student_id,
            stored.record.model_dump_json(),
            stored.case_state,
            stored.case_version,
            stored.cohort,
            sorted(stored.own_evidence),
            stored.open_questions,
            revision,
            status.version if status else None,
            status.model_dump_json() if status else None,
            None if self._rules.holdings is None else sorted(self._rules.holdings(stored.record)),
            json.dumps(stored.instants),
            stored.case_number,
        )
        if status is None:
            return Saving(_INSERT if new else _SAVE, columns, None)
        event = outbox.columns(topic=self._topic, key=status.student_id, event=status, source=self._source, now=now)
        return Saving(_SAVE_AND_PUBLISH, (*columns, *event), status)

    async def save_all(self, connection: Connection, savings: Sequence["Saving"]) -> bool:
        """In their order, without a round trip for each. False if a new record has a row by now: to be rolled back."""
        for statement, some in groupby(savings, attrgetter("statement")):
            columns = [saving.columns for saving in some]
            if statement != _INSERT:
                await connection.executemany(statement, columns)
            elif len(await connection.fetchmany(statement, columns)) < len(columns):
                return False
        return True


class Saving(NamedTuple):
    """A statement and its parameters, and the status that it publishes."""

    statement: str
    columns: tuple[Any, ...]
    status: StatusChanged | None


COLUMNS: Final = """
student_id, body, case_state, case_version, cohort, own_evidence, open_questions, instants, status, case_number,
       (SELECT version FROM version_floor) AS version_floor
"""
_RECORD: Final = f"SELECT {COLUMNS} FROM record WHERE student_id"
_READ: Final = f"{_RECORD} = $1"
_LOCK: Final = f"{_READ} FOR UPDATE"
_LOCK_ALL: Final = f"{_RECORD} = ANY($1::text[]) ORDER BY student_id FOR UPDATE"
_LOCK_KNOWN: Final = "SELECT FROM record WHERE student_id = ANY($1::text[]) ORDER BY student_id FOR UPDATE"
# The hash of the columns' defaults: another hand's row has none.
_CREATE: Final = f"""
INSERT INTO record (student_id, body, written_hash)
VALUES ($1, $2, record_hash($1, $2, NULL, 0, NULL, '{{}}', 0, NULL)) ON CONFLICT DO NOTHING RETURNING {COLUMNS}
"""
_INSERT: Final = """
INSERT INTO record (student_id, body, case_state, case_version, cohort, own_evidence, open_questions, assessed_revision,
                    status_version, status, holdings, instants, case_number, written_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 0), $10, $11, $12, $13,
        record_hash($1, $2, $3, $4, $5, $6, coalesce($9, 0), $10))
ON CONFLICT DO NOTHING RETURNING student_id
"""
_SAVE: Final = """
UPDATE record SET body = $2, case_state = $3, case_version = $4, cohort = $5, own_evidence = $6, open_questions = $7,
                  assessed_revision = $8, status_version = coalesce($9, status_version), status = coalesce($10, status),
                  holdings = $11, instants = $12, case_number = $13, updated_at = clock_timestamp(),
                  written_hash = record_hash($1, $2, $3, $4, $5, $6, coalesce($9, status_version),
                                             coalesce($10, status))
WHERE student_id = $1
"""
_SAVED: Final = f"saved AS ({_SAVE} RETURNING student_id)"
_PUBLISH: Final = """
INSERT INTO outbox (topic, key, value, traceparent) SELECT $14::text, $15::bytea, $16::bytea, $17::text FROM saved
"""
_SAVE_AND_PUBLISH: Final = f"WITH {_SAVED} {_PUBLISH}"
AS_CTES: Final = {_SAVE: _SAVED, _SAVE_AND_PUBLISH: f"{_SAVED}, published AS ({_PUBLISH})"}
"""By statement of a `Saving`: CTEs that do the same, for one that writes more."""
_SAVE_INSTANTS: Final = """
UPDATE record SET instants = word.instants::jsonb FROM unnest($1::text[], $2::text[]) AS word (student_id, instants)
WHERE record.student_id = word.student_id
"""
DIGESTS: Final = """
SELECT key_hash % $1 AS partition, count(*) AS count,
       sum(status_hash(student_id, status_version, status))::text AS total
FROM record WHERE status_version > 0 GROUP BY 1
"""
"""Of the newest statuses, by partition of a topic with so many."""
