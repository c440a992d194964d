"""The order of the outbox's reads, against every order in which transactions take ids, commit and are read."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.messaging.relaying import outbox_reader
from services.kit.messaging.relaying.outbox_reader import Frontier, OutboxReader
from services.kit.postgres.leadership import LeaderSession

KEYS, WRITERS, LIMIT = 2, 3, 2
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["begin", "write", "change", "change"]),
            st.integers(0, WRITERS - 1),
            st.integers(0, KEYS - 1),
        ),
        st.tuples(st.sampled_from(["commit", "abort"]), st.integers(0, WRITERS - 1), st.just(0)),
        st.tuples(st.just("statement"), st.just(0), st.just(0)),
    ),
    max_size=80,
)
Step = tuple[str, int, int]


@dataclass
class Writer:
    xid: int
    keys: set[int] = field(default_factory=set)
    rows: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Table:
    """A table whose writers lock a key until they end; ids and transaction ids are taken at once, seen at commit."""

    next_id: int = 1
    next_xid: int = 1
    last_ended_xid: int = 0
    writers: dict[int, Writer] = field(default_factory=dict)
    visible: dict[int, int] = field(default_factory=dict)
    committed: list[tuple[int, int]] = field(default_factory=list)

    def step(self, step: str, number: int, key: int) -> None:
        if step == "begin":
            self.lock(number, key)
        elif step in ("write", "change"):
            self.write(number, key)
        if step in ("commit", "change", "abort"):
            self.end(number, commit=step != "abort")

    def lock(self, number: int, key: int) -> bool:
        if any(key in writer.keys for other, writer in self.writers.items() if other != number):
            return False
        if number not in self.writers:
            self.writers[number] = Writer(self.take_xid())
        self.writers[number].keys.add(key)
        return True

    def write(self, number: int, key: int) -> None:
        if self.lock(number, key):
            self.writers[number].rows.append((self.next_id, key))
            self.next_id += 1

    def end(self, number: int, *, commit: bool) -> None:
        writer = self.writers.pop(number, None)
        if writer is not None:
            self.last_ended_xid = max(self.last_ended_xid, writer.xid)
        if writer is not None and commit:
            self.visible.update(writer.rows)
            self.committed += writer.rows

    def take_xid(self) -> int:
        self.next_xid += 1
        return self.next_xid - 1

    @property
    def xmin(self) -> int:
        """As PostgreSQL's: unfinished transactions above all that have ended are not in a snapshot."""
        xmax = self.last_ended_xid + 1
        return min((writer.xid for writer in self.writers.values() if writer.xid < xmax), default=xmax)

    def ids(self, after: int, up_to: int, limit: int) -> list[int]:
        return sorted(row_id for row_id in self.visible if after < row_id <= up_to)[:limit]


@dataclass
class Session:
    """The leader's, over that table. Before each statement the writers do what is next."""

    table: Table
    between: deque[Step] = field(default_factory=deque)

    async def fetch(self, statement: str, *values: Any) -> list[dict[str, int]]:
        self._writers_go_on()
        if statement == outbox_reader.ROWS:
            return [{"id": row_id} for row_id in values[0]]
        assert statement == outbox_reader.NEW_ROWS
        ids = self.table.ids(values[0], self.table.next_id, values[1])
        own_xid = self.table.take_xid() if ids else 0
        self.table.last_ended_xid = max(self.table.last_ended_xid, own_xid)
        return [{"id": row_id, "own_xid": own_xid} for row_id in ids]

    async def fetchrow(self, statement: str, *values: Any) -> dict[str, Any]:
        self._writers_go_on()
        if statement == outbox_reader.LATE_IDS:
            return {"ended_below": self.table.xmin, "ids": self.table.ids(*values)}
        return {"id": max(self.table.visible, default=None)}

    def _writers_go_on(self) -> None:
        while self.between and (step := self.between.popleft())[0] != "statement":
            self.table.step(*step)


async def sent_of(table: Table, steps: list[Step], whole_every: int) -> list[tuple[int, int]]:
    """The table's rows in the order in which they are sent. Rows are deleted as late as the reader allows."""
    session, sent, leaving = Session(table, deque(steps)), [], set[int]()

    async def deleted() -> None:
        for row_id in leaving:
            del table.visible[row_id]
        leaving.clear()

    reader, reads, committed = OutboxReader(cast(LeaderSession, session), deleted), count(), None
    while session.between or table.writers or table.visible:
        if not session.between:
            for number in list(table.writers):
                table.end(number, commit=True)
        whole = next(reads) % whole_every == 0
        if whole and committed is None:
            committed = set(table.committed)
        rows = await reader.read(whole=whole)
        await deleted()
        leaving |= {row["id"] for row in rows}
        sent += [(row["id"], table.visible[row["id"]]) for row in rows]
        if reader.swept() is not None:
            assert committed is not None
            assert committed <= set(sent), "an alive mark overtakes a row"
            committed = None
    return sent


def check(steps: list[Step], whole_every: int) -> None:
    table = Table()
    with patch.object(outbox_reader, "BATCH_ROWS", LIMIT):
        sent = asyncio.run(sent_of(table, steps, whole_every))
    for key in range(KEYS):
        assert [row for row, of in sent if of == key] == [row for row, of in table.committed if of == key]
    assert len(sent) == len(table.committed)


@settings(max_examples=1000)
@given(STEPS, st.integers(1, 8))
def test_every_row_is_read_once_and_those_of_one_student_in_the_order_of_their_commits(
    steps: list[Step], whole_every: int
) -> None:
    check(steps, whole_every)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("write 0 0, change 1 1, |, |, commit 0, change 1 0, |", id="between two statements of a read"),
        pytest.param(
            "change 1 1, write 0 0, change 1 1, |, |, |, commit 0, change 1 0, |", id="amid the rows of a read"
        ),
        pytest.param(
            "write 0 0, change 1 1, |, change 1 1, |, |, commit 0, change 1 0, |", id="before a read of no gap"
        ),
        pytest.param("begin 1 1, write 0 0, change 1 1, |, |, |, commit 0, change 1 0, |", id="under the newest xid"),
        pytest.param(
            "write 0 0, write 0 0, write 0 0, change 1 1, |, commit 0, |, |, |, change 1 0, |", id="many rows"
        ),
    ],
)
def test_a_row_that_commits_late_is_read_before_a_newer_one_of_its_student(text: str) -> None:
    """`|`: a statement of the reader. Each other step has its writer and, unless it ends one, its student."""
    steps = [[*step.replace("|", "statement 0").split(), "0"] for step in text.split(", ")]
    check([(name, int(writer), int(student)) for name, writer, student, *_ in steps], whole_every=8)


async def test_an_alive_mark_needs_no_read_that_empties_the_outbox() -> None:
    more: list[Step] = [("change", 0, 0), ("change", 1, 1), ("change", 2, 0), ("statement", 0, 0)]
    session, marks = Session(Table(), deque(more * 20)), 0

    async def deleted() -> None:
        pass

    with patch.object(outbox_reader, "BATCH_ROWS", LIMIT):
        reader = OutboxReader(cast(LeaderSession, session), deleted)
        for number in range(15):
            assert len(await reader.read(whole=number == 0)) == LIMIT
            marks += reader.swept() is not None
    assert marks == 1


def test_the_floor_follows_once_every_writer_of_a_read_with_a_gap_has_ended() -> None:
    frontier = Frontier()
    frontier.read(38, 40, count=3, own_xid=9)
    frontier.settle(ended_below=7)
    assert (frontier.floor, frontier.highest) == (0, 40)
    frontier.settle(ended_below=9)
    assert (frontier.floor, frontier.highest) == (40, 40)


def test_without_a_gap_nothing_can_appear_below_what_was_read() -> None:
    frontier = Frontier()
    frontier.read(1, 40, count=40, own_xid=9)
    assert (frontier.floor, frontier.unsettled) == (40, deque())
    frontier.read(41, 50, count=9, own_xid=12)
    frontier.read(51, 60, count=10, own_xid=15)
    assert (frontier.floor, frontier.unsettled) == (40, deque([(12, 60)]))


def test_a_long_transaction_elsewhere_keeps_no_more_than_a_bounded_memory() -> None:
    frontier = Frontier()
    for number in range(1, 5000):
        frontier.read(2 * number, 2 * number, count=1, own_xid=number + 3)
        frontier.settle(ended_below=3)
    assert len(frontier.unsettled) <= 1000
    frontier.settle(ended_below=10_000)
    assert frontier.floor == 2 * 4999
