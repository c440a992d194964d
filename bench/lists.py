"""The lists of staff over all students, beside a round trip to the same database.

A department's work list, the roster, how far everybody is, and the search by name. Readers at the same time, each with
a connection; the pages of a term in June: the longest wait first, by number, by college, by reason, a page in the
middle, the count above them. The plans are PostgreSQL's own, for the same statements.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from bench.fixtures import Servers, sandbox
from bench.harness import in_subprocess, over, percentile
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.staff.lists.work_list import After, Filters, WorkListReader
from services.gateway.staff.progress import Chosen, ProgressReader, Scope
from services.gateway.staff.roster.listing import RosterFilters, RosterReader
from services.kit.postgres.pool import open_pool

DEPARTMENT: Final = "library"
COLLEGE: Final = "第 7 学院"
REASON: Final = "borrowing:violation-open"
ABSENT: Final = "borrowing:debt-open"
COHORT: Final = "2026"
ROUND_TRIP: Final = "round trip"
_BEGIN: Final = datetime(2026, 6, 1, tzinfo=UTC)
_CASES: Final = """
INSERT INTO student_case (student_id, version, state, name, gender, college, major, grade, enrolled_on, leave_category,
                          cohort, opened_on, changed_at)
SELECT 'TS' || to_char(n, 'FM00000000'), 1, 'open', chr(19968 + n % 400) || chr(20400 + n / 400 % 400), '女',
       '第 ' || n % 25 || ' 学院', '控制科学与工程', '2023', '2023-09-01', '毕业离校', '2026', '2026-06-01', now()
FROM generate_series(1, $1::int) AS n
"""
# Half are open at each department; one in two hundred for the rare reason.
_STATUSES: Final = """
INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition, source_offset, status,
                    open_codes, open_since)
SELECT 'TS' || to_char(n, 'FM00000000'), department, 1, $2, $2, n % 12, n, repeat('x', 500),
       CASE WHEN n % 2 = 0 THEN CASE WHEN n % 200 = 0 THEN 'borrowing:violation-open'
                                     ELSE 'borrowing:books-not-returned borrowing:card-not-cancelled' END END,
       CASE WHEN n % 2 = 0 THEN $2::timestamptz + n * interval '1 s' END
FROM generate_series(1, $1::int) AS n, unnest(ARRAY['library', 'archives', 'dorm', 'finance']) AS department
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    students: int = 100_000
    readers: int = 16
    reads: int = 1_600


QUICK: Final = Sizes(students=400, readers=2, reads=20)


@dataclass(frozen=True, slots=True)
class Read:
    rate: float
    p50_ms: float
    p99_ms: float


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str]:
    sizes = QUICK if quick else Sizes()
    with sandbox(on, CLEARANCE_FOLDERS, (), 1) as box:
        asyncio.run(fill(box.dsn, sizes.students))
        yield (
            f"{sizes.students:,} students, half of them open at each of four departments; {sizes.readers} readers, "
            f"{sizes.reads:,} reads of each kind"
        )
        done = [in_subprocess(_round, box.dsn, sizes) for _ in range(rounds)]
        yield f"{'':<28}{'reads/s':<28}{'p50 ms':<24}p99 ms"
        for name in done[0]:
            yield _row(name, [one[name] for one in done])
        yield from asyncio.run(_plans(box.dsn))


def _row(name: str, done: Sequence[Read]) -> str:
    rate = over(done, lambda one: one.rate).text(digits=0)
    p50, p99 = over(done, lambda one: one.p50_ms).text(digits=1), over(done, lambda one: one.p99_ms).text(digits=1)
    return f"{name:<28}{rate:<28}{p50:<24}{p99}"


async def fill(dsn: str, students: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_CASES, students)
        await connection.execute(_STATUSES, students, _BEGIN)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _round(dsn: str, sizes: Sizes) -> dict[str, Read]:
    # As the gateway's: planned once a session.
    pool = await open_pool(dsn, name="bench", max_size=sizes.readers, plain_reads=True)
    lists, roster, progress = WorkListReader(pool), RosterReader(pool), ProgressReader(pool)
    everybody = Scope(None)
    middle = After(f"TS{sizes.students // 2:08}", _BEGIN + timedelta(seconds=sizes.students // 2))
    kinds: Mapping[str, Callable[[int], Awaitable[Any]]] = {
        ROUND_TRIP: lambda turn: pool.fetchval("SELECT 1"),
        "first page": lambda turn: lists.page(DEPARTMENT, Filters()),
        "first page by number": lambda turn: lists.page(DEPARTMENT, Filters(sort="number")),
        "page in the middle": lambda turn: lists.page(DEPARTMENT, Filters(), middle),
        "of a college": lambda turn: lists.page(DEPARTMENT, Filters(college=COLLEGE)),
        "of a rare reason": lambda turn: lists.page(DEPARTMENT, Filters(reason=REASON)),
        "of a reason nobody has": lambda turn: lists.page(DEPARTMENT, Filters(reason=ABSENT)),
        "count": lambda turn: lists.count(DEPARTMENT, Filters()),
        "names that begin so": lambda turn: lists.named(chr(19968 + turn % 400)),
        "roster": lambda turn: roster.page(RosterFilters(), middle.student_id),
        "roster of a cohort": lambda turn: roster.page(RosterFilters(cohort=COHORT)),
        "roster of a college": lambda turn: roster.page(RosterFilters(college=COLLEGE, cohort=COHORT)),
        "progress, student by student": lambda turn: progress.students(everybody, Chosen(college=COLLEGE)),
    }
    slow: Mapping[str, Callable[[int], Awaitable[Any]]] = {
        # Of a reader of its own: it keeps its figures for some seconds.
        "progress of everybody": lambda turn: ProgressReader(pool).overview(everybody, COHORT, _BEGIN),
        "progress of a college": lambda turn: ProgressReader(pool).overview(Scope((COLLEGE,)), COHORT, _BEGIN),
    }
    one_at_a_time = replace(sizes, readers=1, reads=max(1, sizes.reads // 100))
    try:
        measured = {name: await _measured(read, sizes) for name, read in kinds.items()}
        return measured | {name: await _measured(read, one_at_a_time) for name, read in slow.items()}
    finally:
        await pool.close()


async def _measured(read: Callable[[int], Awaitable[Any]], sizes: Sizes) -> Read:
    """Each reader reads once before."""
    await asyncio.gather(*map(read, range(sizes.readers)))
    latencies_s: list[float] = []
    left = iter(range(sizes.reads))

    async def one() -> None:
        for turn in left:
            started_s = time.perf_counter()
            await read(turn)
            latencies_s.append(time.perf_counter() - started_s)

    started_s = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(sizes.readers)))
    took_s = time.perf_counter() - started_s
    return Read(sizes.reads / took_s, percentile(latencies_s, 0.5) * 1e3, percentile(latencies_s, 0.99) * 1e3)


class _Explaining:
    """In place of a pool: keeps the plan of each statement, and answers nothing."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self.plan: list[str] = []

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        rows = await self._connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}", *values)
        self.plan += [row[0] for row in rows]
        return []

    async def fetchval(self, statement: str, *values: Any) -> int:
        await self.fetch(statement, *values)
        return 0


async def _plans(dsn: str) -> Iterator[str]:
    connection = await asyncpg.connect(dsn)
    try:
        explaining = _Explaining(connection)
        lists = WorkListReader(explaining)  # type: ignore[arg-type]
        kinds: Mapping[str, Callable[[], Awaitable[Any]]] = {
            "first page": lambda: lists.page(DEPARTMENT, Filters()),
            "of a college": lambda: lists.page(DEPARTMENT, Filters(college=COLLEGE)),
            "of a rare reason": lambda: lists.page(DEPARTMENT, Filters(reason=REASON)),
            "roster of a college": lambda: RosterReader(explaining).page(  # type: ignore[arg-type]
                RosterFilters(college=COLLEGE, cohort=COHORT)
            ),
            "progress of everybody": lambda: ProgressReader(explaining).overview(  # type: ignore[arg-type]
                Scope(None), COHORT, _BEGIN
            ),
            "count": lambda: lists.count(DEPARTMENT, Filters()),
            "names that begin so": lambda: lists.named(chr(19968)),
        }
        lines: list[str] = []
        for name, read in kinds.items():
            explaining.plan.clear()
            await read()
            lines += [f"plan of {name}:", *(f"  {line}" for line in explaining.plan)]
        return iter(lines)
    finally:
        await connection.close()
