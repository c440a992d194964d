"""Heads of the audit that are kept outside its database, by which removed newest entries are missed.

A chain alone cannot show that its end was cut off. What holds the heads is nothing that the database's owner can edit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.kit.audit.chain import Head
from services.kit.postgres.pool import Connection

_ACCEPTED: Final = "accepted"


@dataclass(frozen=True, slots=True)
class KeptHead:
    """`accepted`: an operator took the chain as it ended there; heads before count no longer."""

    head: Head
    accepted: bool = False


def standing(kept: Iterable[KeptHead]) -> list[Head]:
    """`kept` in the order in which they were kept."""
    heads: list[Head] = []
    for each in kept:
        if each.accepted:
            heads.clear()
        if each.head.seq:
            heads.append(each.head)
    return heads


async def missed(connection: Connection, heads: Sequence[Head]) -> str | None:
    """What shows that the chain is not the one of `heads`, by their seals alone."""
    rows = await connection.fetch(
        "SELECT seq, hash FROM audit.seal WHERE seq = ANY($1) OR seq = (SELECT max(seq) FROM audit.seal)",
        [head.seq for head in heads],
    )
    found = {row["seq"]: row["hash"] for row in rows}
    end = max(found, default=0)
    if beyond := max((head.seq for head in heads if head.seq > end), default=0):
        return f"the audit ends at seal {end}, and seal {beyond} was published"
    changed = [head.seq for head in heads if found.get(head.seq) != head.hash]
    return f"seal {min(changed)} of the audit is not the one that was published" if changed else None


def read_heads(file: Path, service: str) -> list[KeptHead]:
    """Those of `service`. Raises `ValueError` for a file of something else."""
    if not file.exists():
        return []
    kept = []
    for line in file.read_text("utf-8").splitlines():
        _, name, head, *rest = (*line.split(), "", "", "")
        if name == service:
            kept.append(KeptHead(Head.parse(head), _ACCEPTED in rest))
    return kept


def append_head(file: Path, service: str, kept: KeptHead) -> None:
    """One line: when, service, head, and whether it was accepted."""
    words = [datetime.now(UTC).isoformat(timespec="seconds"), service, str(kept.head)]
    with file.open("a", encoding="utf-8") as lines:
        lines.write(" ".join([*words, _ACCEPTED] if kept.accepted else words) + "\n")
