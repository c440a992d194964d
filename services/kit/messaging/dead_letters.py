"""What could not be read: kept as it came, in the transaction that steps over it, until somebody ends it."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from services.kit.messaging.offsets import Records
from services.kit.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record and why it could not be read. `reason` names a field and a rule, never a value."""

    record: ConsumerRecord
    reason: str


async def store_dead_letters(connection: Connection, consumer: str, parked: Sequence[DeadLetter]) -> None:
    """Keep these records; one that is already kept (read again after a restart) stays as it is."""
    await connection.executemany(
        """
        INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, headers, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        [
            (
                consumer,
                one.record.topic,
                one.record.partition,
                one.record.offset,
                one.record.key,
                one.record.value,
                _headers(one.record),
                one.reason[:1000].replace("\x00", ""),
            )
            for one in parked
        ],
    )


def _headers(record: ConsumerRecord) -> str:
    """As JSON pairs; a value is hexadecimal because it may be any bytes, or none."""
    return json.dumps(
        [[name.replace("\x00", ""), text.hex() if text is not None else None] for name, text in record.headers]
    )


ApplyBatch = Callable[[Connection, Records, list[DeadLetter]], Awaitable[None]]
"""Does the work of a batch on an open transaction, appending to the list what it could not read."""
