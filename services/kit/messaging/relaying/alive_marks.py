"""Alive marks: a department had sent everything committed before an instant, and a digest of what it has."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from schemas.codec import CONTENT_TYPE, encode
from schemas.events import SourceAlive, StatusDigest
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY
from services.kit.messaging.relaying.producer import OutboundRecord

JSON_HEADER: Final = (("content-type", CONTENT_TYPE.encode()),)
DIGEST_EVERY_S: Final = 30.0
Digests = Mapping[int, StatusDigest]
"""By partition; one that is missing has no status."""
_NOTHING: Final = StatusDigest.of(0, 0)


async def nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class AliveMarks:
    """To every partition of the topic, at most every `every_s`.

    `digest_query`: partition, count and the sum of hashes (a text) of the department's statuses, for so many partitions
    as `$1`. Asked every `digest_every_s`, in the snapshot of a read of the whole outbox: once that is sent, exactly
    these statuses precede the mark. `on_new_topic`: it was deleted and made anew since the mark before.
    """

    department: str
    topic: str
    every_s: float
    digest_query: str | None = None
    digest_every_s: float = DIGEST_EVERY_S
    on_new_topic: Callable[[], Awaitable[None]] = nothing

    def records(
        self, as_of: datetime, partitions: int, digests: Digests | None = None, *, number: int | None = None
    ) -> list[OutboundRecord]:
        return [self._record(as_of, partition, digests, number) for partition in range(partitions)]

    def _record(self, as_of: datetime, partition: int, digests: Digests | None, number: int | None) -> OutboundRecord:
        digest = None if digests is None else digests.get(partition, _NOTHING)
        mark = SourceAlive(department=self.department, as_of=as_of, digest=digest, number=number)
        value = encode(mark, event_id=uuid4(), source=source_of(self.department), time=as_of)
        return OutboundRecord(self.topic, ALIVE_KEY, value, JSON_HEADER, partition)
