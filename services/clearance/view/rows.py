"""Rows of the view, one by student and department, and how two of them merge. Pure.

`merge` is a join: order, grouping and repetition do not matter, so a replay from zero ends at the live view's rows.
view_store.py does the same merge in SQL.
"""

from typing import Final

import msgspec

NEVER: Final = "1970-01-01T00:00:00+00:00"
"""`occurred_at` without a status."""
Key = tuple[str, str]
"""(student_id, department). Rows are written in this order, so that writers cannot deadlock."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """`version` 0 has no `status`: only unreadable records so far. `occurred_at` and `status`, which is JSON in UTF-8,
    are as the database reads them: on their way there nobody looks into them.

    `offset`: of `status`. `unreadable_offset`: the newest, -1 if none. `disputed`: this version was published with two
    contents. `older_offset`: of the last status of an older version, if it stands behind `offset`, else -1.
    `first_offset`: where this version was read first, if that is before `offset`, else -1.
    `open_codes`: `check:code` of every reason of a check that is not clear; None if all are.
    """

    student_id: str
    department: str
    partition: int
    version: int = 0
    offset: int = -1
    occurred_at: str = NEVER
    status: bytes | None = None
    disputed: bool = False
    unreadable_offset: int = -1
    older_offset: int = -1
    open_codes: str | None = None
    first_offset: int = -1

    @property
    def key(self) -> Key:
        return self.student_id, self.department

    @property
    def first(self) -> int:
        return self.offset if self.first_offset < 0 else self.first_offset

    @property
    def readable(self) -> bool:
        """An unreadable record hides the status until a newer version follows: one that stood before it says nothing
        of it. An older version hides it until this version or a newer one follows.
        """
        return not self.disputed and self.unreadable_offset < self.first and self.older_offset < self.offset


def merge(a: Row, b: Row) -> Row:
    """Commutative, associative, idempotent."""
    if (
        a.version < b.version
        and max(a.offset, a.older_offset) < b.offset
        and a.unreadable_offset <= b.unreadable_offset
    ):
        # The usual case: a newer version behind everything. The rest would find the same.
        return b
    newer, older = (a, b) if _rank(a) >= _rank(b) else (b, a)
    disputed = newer.disputed or (a.version == b.version and (older.disputed or a.status != b.status))
    unreadable_offset = max(a.unreadable_offset, b.unreadable_offset)
    last_offset = max(a.offset, a.older_offset, b.offset, b.older_offset)
    older_offset = last_offset if last_offset > newer.offset else -1
    first = min(a.first, b.first) if a.version == b.version else newer.first
    first_offset = first if first < newer.offset else -1
    merged = disputed, unreadable_offset, older_offset, first_offset
    if merged == (newer.disputed, newer.unreadable_offset, newer.older_offset, newer.first_offset):
        return newer
    return msgspec.structs.replace(
        newer,
        disputed=disputed,
        unreadable_offset=unreadable_offset,
        older_offset=older_offset,
        first_offset=first_offset,
    )


def _rank(row: Row) -> tuple[int, int, bytes, int]:
    return row.version, row.offset, row.status or b"", row.partition
