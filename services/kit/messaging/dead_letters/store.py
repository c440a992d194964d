"""Dead letters: unreadable records, stored unchanged in the transaction that skips them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

from services.kit.messaging.log_positions.offsets import Records
from services.kit.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`reason` names field and rule, no value. `decoded`: the content was refused."""

    record: ConsumerRecord
    reason: str
    decoded: bool = False


def refused_by_the_database(error: str) -> str:
    """A reason. `error`: the type of the database's."""
    return f"the database cannot store a value of it: {error}"


ApplyBatch = Callable[[Connection, Records], Awaitable[list[DeadLetter]]]
"""Returns the unreadable ones."""

_STORE = """
INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, headers, reason)
SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::jsonb[], $8::text[])
ON CONFLICT DO NOTHING RETURNING topic, partition, "offset"
"""


async def store_dead_letters(
    connection: Connection, consumer: str, dead_letters: Sequence[DeadLetter]
) -> list[DeadLetter]:
    """Returns the new ones: after a restart some are stored already."""
    columns: list[tuple[Any, ...]] = list(
        zip(*((*_position(one), *_content(one)) for one in dead_letters), strict=True)
    )
    rows = await connection.fetch(_STORE, consumer, *columns) if columns else []
    stored = {(row["topic"], row["partition"], row["offset"]) for row in rows}
    return [one for one in dead_letters if _position(one) in stored]


def _position(one: DeadLetter) -> tuple[str, int, int]:
    return one.record.topic, one.record.partition, one.record.offset


def _content(one: DeadLetter) -> tuple[bytes | None, bytes | None, str, str]:
    return one.record.key, one.record.value, _headers(one.record), one.reason[:1000].replace("\x00", "")


def _headers(record: ConsumerRecord) -> str:
    """JSON pairs; values hexadecimal, for any bytes."""
    return json.dumps(
        [[name.replace("\x00", ""), text.hex() if text is not None else None] for name, text in record.headers]
    )
