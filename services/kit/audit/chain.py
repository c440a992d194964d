"""Hash chain of the audit: a seal hashes its entry and the last seal.

One sealer follows, so that writers need not wait. That the newest entries are gone, heads kept elsewhere show.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint

INITIAL_HASH: Final = bytes(32)
BATCH: Final = 1000
EVERY_S: Final = 1.0
MAX_PROBLEMS: Final = 100
_ENTRY: Final = "entry.entry_id, entry.at, entry.actor, entry.act, entry.outcome, entry.student_id, entry.details"


@dataclass(frozen=True, slots=True)
class Head:
    """A seal, by which the chain up to it is known. Number 0: of a chain without any."""

    seq: int
    hash: bytes

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Raises `ValueError`."""
        seq, _, digest = text.partition(":")
        if not seq.isdecimal() or len(digest) != 64:
            raise ValueError("a head is written SEQ:HASH, as printed by verify")
        return cls(int(seq), bytes.fromhex(digest))

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`head`: the newest seal, to be kept elsewhere. `is_cut`: it stands before one that was kept."""

    sealed: int
    unsealed: int
    head: Head
    problems: tuple[str, ...]
    is_cut: bool = False


def chain_hash(previous: bytes, entry: Any) -> bytes:
    """SHA-256 over `previous` and the columns as a JSON array."""
    columns = [
        entry["entry_id"],
        entry["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        *(entry[name] for name in ("actor", "act", "outcome", "student_id", "details")),
    ]
    canonical = json.dumps(columns, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + canonical.encode("utf-8", "surrogatepass")).digest()


class ChainSealer:
    """Runs in every instance; the advisory lock's holder seals."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def run(self) -> None:
        with suppress_instrumentation():
            while True:
                if await self.seal() < BATCH:
                    await asyncio.sleep(EVERY_S)

    async def seal(self) -> int:
        """Seals at most `BATCH`; 0 while another instance seals."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM audit.unsealed)"):
                return 0
            async with connection.transaction():
                if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", AdvisoryLock.AUDIT_SEALER):
                    return 0
                count = await _seal(connection)
                failpoint("seal.before_commit")
            failpoint("seal.after_commit")
        return count


async def _seal(connection: Connection) -> int:
    rows = await connection.fetch(
        f"SELECT {_ENTRY} FROM audit.unsealed JOIN audit.entry USING (entry_id) ORDER BY entry_id LIMIT $1", BATCH
    )
    if not rows:
        return 0
    last = await connection.fetchrow("SELECT seq, hash FROM audit.seal ORDER BY seq DESC LIMIT 1")
    seq, previous = (last["seq"], last["hash"]) if last else (0, INITIAL_HASH)
    hashes = []
    for row in rows:
        previous = chain_hash(previous, row)
        hashes.append(previous)
    ids = [row["entry_id"] for row in rows]
    await connection.execute(
        "INSERT INTO audit.seal (seq, entry_id, hash) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
        list(range(seq + 1, seq + 1 + len(ids))),
        ids,
        hashes,
    )
    await connection.execute("DELETE FROM audit.unsealed WHERE entry_id = ANY($1::bigint[])", ids)
    return len(ids)


async def verify(connection: Connection, *, heads: Iterable[Head] = ()) -> ChainReport:
    """`heads` were kept elsewhere."""
    expected: dict[int, set[bytes]] = {}
    for head in heads:
        expected.setdefault(head.seq, set()).add(head.hash)
    problems: list[str] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        seq, previous, count = 0, INITIAL_HASH, 0
        async for row in connection.cursor(
            f"SELECT seal.seq, seal.hash, seal.entry_id AS sealed_id, {_ENTRY}"
            " FROM audit.seal LEFT JOIN audit.entry USING (entry_id) ORDER BY seal.seq"
        ):
            if row["seq"] != seq + 1:
                problems.append(f"seal {seq + 1} is missing")
            if row["entry_id"] is None:
                problems.append(f"seal {row['seq']}: its entry {row['sealed_id']} was removed")
            elif row["seq"] == seq + 1 and chain_hash(previous, row) != row["hash"]:
                problems.append(f"seal {row['seq']}: entry {row['entry_id']} or the seal was changed")
            seq, previous, count = row["seq"], row["hash"], count + 1
            if expected.get(row["seq"], {row["hash"]}) != {row["hash"]}:
                problems.append(f"seal {row['seq']} is not the one of a head kept elsewhere")
        newest = max(expected, default=0)
        if seq < newest:
            problems.append(f"the chain ends at {seq}, before the head {newest} kept elsewhere")
        problems += await _unsealed_problems(connection)
        unsealed = await connection.fetchval("SELECT count(*) FROM audit.unsealed")
    return ChainReport(count, unsealed, Head(seq, previous), tuple(problems[:MAX_PROBLEMS]), seq < newest)


async def _unsealed_problems(connection: Connection) -> list[str]:
    lost = await connection.fetch(
        "SELECT entry_id FROM audit.unsealed LEFT JOIN audit.entry USING (entry_id) WHERE entry.at IS NULL LIMIT $1",
        MAX_PROBLEMS,
    )
    bare = await connection.fetch(
        """
        SELECT entry_id FROM audit.entry WHERE NOT EXISTS (SELECT FROM audit.seal WHERE seal.entry_id = entry.entry_id)
        AND NOT EXISTS (SELECT FROM audit.unsealed WHERE unsealed.entry_id = entry.entry_id) LIMIT $1
        """,
        MAX_PROBLEMS,
    )
    return [f"entry {row['entry_id']} was removed before it was sealed" for row in lost] + [
        f"entry {row['entry_id']}: its seal was removed" for row in bare
    ]
