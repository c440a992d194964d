"""The floor of the outbox's reads, against every order in which transactions take ids, commit and are read."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.messaging.relaying.outbox_reader import Frontier

KEYS, WRITERS, LIMIT, EVERYTHING = 2, 3, 2, 2**63 - 1
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, WRITERS - 1), st.integers(0, KEYS - 1)),
        st.tuples(st.sampled_from(["commit", "abort"]), st.integers(0, WRITERS - 1), st.just(0)),
        st.tuples(st.sampled_from(["read", "settle"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


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
    writers: dict[int, Writer] = field(default_factory=dict)
    visible: dict[int, int] = field(default_factory=dict)
    committed: list[tuple[int, int]] = field(default_factory=list)

    def write(self, number: int, key: int) -> None:
        if any(key in writer.keys for other, writer in self.writers.items() if other != number):
            return
        if number not in self.writers:
            self.writers[number] = Writer(self.next_xid)
            self.next_xid += 1
        writer = self.writers[number]
        writer.keys.add(key)
        writer.rows.append((self.next_id, key))
        self.next_id += 1

    def end(self, number: int, *, commit: bool) -> None:
        writer = self.writers.pop(number, None)
        if writer is not None and commit:
            self.visible.update(writer.rows)
            self.committed += writer.rows

    @property
    def xmin(self) -> int:
        return min((writer.xid for writer in self.writers.values()), default=self.next_xid)


@dataclass
class Relay:
    """Reads by the floor alone, without whole reads; a row read is sent and deleted at once."""

    table: Table
    frontier: Frontier = field(default_factory=Frontier)
    sent: list[tuple[int, int]] = field(default_factory=list)

    def read(self) -> int:
        found = sorted(row for row in self.table.visible.items() if row[0] > self.frontier.floor)[:LIMIT]
        self.frontier.read_up_to(found[-1][0] if len(found) == LIMIT else EVERYTHING)
        for row_id, key in found:
            del self.table.visible[row_id]
            self.sent.append((row_id, key))
        return found[-1][0] if found else 0

    def settle(self, highest: int) -> None:
        self.frontier.snapshot(highest, xmin=self.table.xmin, xmax=self.table.next_xid)


@settings(max_examples=600)
@given(STEPS)
def test_every_row_is_read_and_those_of_one_student_in_the_order_of_their_commits(
    steps: list[tuple[str, int, int]],
) -> None:
    table = Table()
    relay, highest = Relay(table), 0
    for step, number, key in steps:
        if step == "write":
            table.write(number, key)
        elif step in ("commit", "abort"):
            table.end(number, commit=step == "commit")
        elif step == "read":
            highest = relay.read()
            relay.settle(highest)
        else:
            relay.settle(0)
    for number in list(table.writers):
        table.end(number, commit=True)
    while table.visible:
        relay.settle(relay.read())
    for key in range(KEYS):
        assert [row for row, of in relay.sent if of == key] == [row for row, of in table.committed if of == key]
    assert len(relay.sent) == len(table.committed)


def test_the_floor_follows_once_every_writer_of_the_read_has_ended() -> None:
    frontier = Frontier()
    frontier.read_up_to(EVERYTHING)
    frontier.snapshot(40, xmin=7, xmax=9)
    frontier.read_up_to(EVERYTHING)
    assert frontier.floor == 0
    frontier.snapshot(0, xmin=9, xmax=9)
    assert frontier.floor == 0
    frontier.read_up_to(EVERYTHING)
    assert frontier.floor == 40


def test_a_long_transaction_elsewhere_keeps_no_more_than_a_bounded_memory() -> None:
    frontier = Frontier()
    for number in range(1, 5000):
        frontier.read_up_to(EVERYTHING)
        frontier.snapshot(number, xmin=3, xmax=number + 3)
    assert len(frontier.unsettled) <= 1000
    frontier.snapshot(0, xmin=10_000, xmax=10_000)
    frontier.read_up_to(EVERYTHING)
    assert frontier.floor == 4999
