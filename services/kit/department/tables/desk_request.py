"""One request at a desk: what its change may ask for is read by two statements, and all that it leaves written by one.

A statement costs more than what it does: a round trip, two processes woken, and the driver's and the server's share of
each. In the place of the `RecordStore`, as `RowBatch` is for rows of a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any, Final

from schemas.events import Reason, StatusChanged
from services.kit.audit.log import ENTRY_NAMES, ENTRY_TYPES, EntryColumns, entries_of_each
from services.kit.department.evidence.coverage import COVERAGE, Coverages, coverage_of, share
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.done_operations import DONE_NAMES, DONE_TYPES, DoneColumns
from services.kit.department.tables.idempotency import (
    ANSWER_TYPES,
    STORE_ANSWER,
    answer_columns,
    answer_of,
    lock_text,
)
from services.kit.department.tables.record_store import AS_CTES, COLUMNS, RecordStore, Saving, StoredRecord
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment
from services.kit.rules.evidence import ActEvidence

# Each lock is taken once the one before it is held: the key's, the record's, the coverage's.
_LOCK: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT CASE WHEN $2::text IS NOT NULL THEN pg_advisory_xact_lock(hashtextextended($2, 0))::text END
), locked AS MATERIALIZED (
    SELECT {COLUMNS} FROM record WHERE student_id = $1 AND (SELECT count(*) FROM asked) = 1 FOR UPDATE OF record
)
SELECT *, CASE WHEN $3::text[] IS NULL OR NOT own_evidence @> $3
          THEN pg_advisory_xact_lock_shared({int(AdvisoryLock.COVERAGE)})::text END IS NOT NULL AS shares_coverage
FROM locked
"""
# A statement of its own: one that waited for a lock would see the state of before. Rows of holds, because arrays of
# several lengths do not go into one.
_AROUND: Final = f"""
SELECT (SELECT array_agg((student_id, waived)) FROM hold WHERE student_id = $3) AS holds,
       EXISTS (SELECT FROM waiting_change WHERE student_id = $3) AS awaited,
       EXISTS (SELECT FROM done_operation WHERE student_id = $3 AND gained <> '{{}}') AS by_operation,
       asked.fingerprint, asked.answer, covered.*
FROM (VALUES (true)) AS one
LEFT JOIN desk_request AS asked ON principal = $4 AND request_key = $5
LEFT JOIN LATERAL ({COVERAGE} WHERE $6::boolean) AS covered ON true
"""


@dataclass
class DeskRequest:
    """The record, locked, and what stands around it until the transaction ends. `answer`: of the key, if it has one."""

    store: RecordStore[Any]
    record: StoredRecord[Any]
    key: IdempotencyKey | None
    answer: dict[str, Any] | None
    holds: Sequence[frozenset[str]]
    """What each relies not on. A record is locked before a hold on it is placed: no other comes."""
    awaited: bool
    by_operation: bool
    """Whether an operation was the first word about a check."""
    coverages: Coverages
    _saving: Saving | None = None

    @classmethod
    async def begin(
        cls,
        store: RecordStore[Any],
        connection: Connection,
        student_id: str,
        evidence: ActEvidence,
        checks: frozenset[str],
        key: IdempotencyKey | None,
    ) -> "DeskRequest":
        """`checks`: all of the department. Requests with one key wait for each other. Raises `KeyReused`."""
        row = await connection.fetchrow(_LOCK, student_id, key and lock_text(key), _without_word(evidence, checks))
        if row is not None:
            record, shares_coverage = store.stored(row), row["shares_coverage"]
        else:
            record = await store.lock(connection, student_id, absent=True)
            # Before the lock of an item, as above.
            await share(connection)
            shares_coverage = True
        around = await connection.fetchrow(
            _AROUND,
            record.cohort,
            sorted(checks),
            student_id,
            key and key.principal,
            key and key.key,
            shares_coverage,
        )
        assert around is not None
        return cls(
            store,
            record,
            key,
            answer_of(around, key) if key is not None and around["answer"] is not None else None,
            [frozenset(waived) for _, waived in around["holds"] or ()],
            around["awaited"],
            around["by_operation"],
            {record.cohort: coverage_of(around)} if shares_coverage else {},
        )

    async def lock(self, _: Connection, __: str) -> StoredRecord[Any]:
        return self.record

    async def before_blocking(self, connection: Connection, student_id: str, assessment: Assessment) -> None:
        await waiting_changes.before_blocking(
            connection, student_id, assessment.blocked, holds=self.holds, awaited=self.awaited
        )

    async def save(
        self,
        _: Connection,
        stored: StoredRecord[Any],
        assessment: Assessment | None,
        *,
        revision: int | None,
        cause: Reason,
        now: datetime,
    ) -> StatusChanged | None:
        """Written by `write`."""
        self._saving = self.store.saving(stored, assessment, revision=revision, cause=cause, now=now)
        return self._saving.status

    async def save_instants(self, connection: Connection, of: Sequence[StoredRecord[Any]]) -> None:
        await self.store.save_instants(connection, of)

    async def write(
        self,
        connection: Connection,
        entry: EntryColumns,
        *,
        done: DoneColumns | None = None,
        answer: dict[str, Any] | None = None,
    ) -> int:
        """The record with its event if it was saved, the audit's entry, what can be undone of it (`done`), and the
        answer of the key. Returns the entry's id."""
        saved = () if self._saving is None else self._saving.columns
        answered = () if self.key is None or answer is None else answer_columns(self.key, answer)
        statement = _statement(
            None if self._saving is None else self._saving.statement, len(saved), done is not None, bool(answered)
        )
        entry_id: int = await connection.fetchval(statement, *saved, *entry, *(done or ()), *answered)
        return entry_id


@lru_cache
def _statement(saving: str | None, columns: int, with_done: bool, with_answer: bool) -> str:
    """`saving`: a statement of the store, with so many columns, which come first."""
    numbers = count(columns + 1)

    def parameters(*types: str) -> str:
        return ", ".join(f"${next(numbers)}::{one}" for one in types)

    parts = [] if saving is None else [AS_CTES[saving]]
    parts.append(f"about AS (SELECT * FROM (VALUES ({parameters(*ENTRY_TYPES)})) AS entry ({ENTRY_NAMES}))")
    parts.append(entries_of_each("about"))
    if with_done:
        parts.append(
            f"""remembered AS (
    INSERT INTO done_operation (entry_id, {DONE_NAMES})
    SELECT entry_id, {parameters(*DONE_TYPES)} FROM added
)"""
        )
    if with_answer:
        parts.append(f"answered AS ({STORE_ANSWER} VALUES ({parameters(*ANSWER_TYPES)}))")
    return f"WITH {', '.join(parts)} SELECT entry_id FROM added"


def _without_word(evidence: ActEvidence, checks: frozenset[str]) -> list[str] | None:
    """The checks that rest on the coverage unless there is a word about the student; None: one of them does."""
    if evidence.withdraws:
        return None
    return [] if evidence.checks is None else sorted(checks - evidence.checks)
