"""The producer id that all producers of one outbox share, each under a higher epoch.

Brokers refuse a lower epoch in every partition that a higher one has written to. So a send abandoned by a timeout, or
of a leader that was replaced, never lands behind a newer record.
"""

from typing import Final

from services.kit.postgres.leadership import LeaderSession

MAX_EPOCH: Final = 32_766
"""Kafka's epochs are of 16 bits. Then a new producer id is taken."""

_NEXT: Final = "UPDATE outbox_producer SET epoch = epoch + 1 WHERE epoch < $1 RETURNING producer_id, epoch"
_KEEP: Final = """
INSERT INTO outbox_producer (producer_id, epoch) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET producer_id = excluded.producer_id, epoch = excluded.epoch
"""


class ProducerIdentity:
    """Every statement runs in the leader's session: a replaced leader gets no identity."""

    def __init__(self) -> None:
        self.session: LeaderSession | None = None

    async def next(self) -> tuple[int, int] | None:
        """Producer id and epoch; None when the broker has to give an id."""
        row = await self._leading.fetchrow(_NEXT, MAX_EPOCH)
        return None if row is None else (row["producer_id"], row["epoch"])

    async def keep(self, producer_id: int, epoch: int) -> None:
        await self._leading.execute(_KEEP, producer_id, epoch)

    async def forget(self) -> None:
        """Refused though this session leads: the table is older than the topic, for instance from a backup."""
        await self._leading.execute("DELETE FROM outbox_producer")

    @property
    def _leading(self) -> LeaderSession:
        if self.session is None:
            raise ConnectionError("no session leads")
        return self.session
