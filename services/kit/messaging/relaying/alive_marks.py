"""Alive marks: a department had sent everything committed before an instant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from schemas.codec import CONTENT_TYPE, encode
from schemas.events import SourceAlive
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY
from services.kit.messaging.relaying.producer import OutboundRecord

JSON_HEADER: Final = (("content-type", CONTENT_TYPE.encode()),)


@dataclass(frozen=True, slots=True)
class AliveMarks:
    """To every partition of the topic, at most every `every_s`."""

    department: str
    topic: str
    every_s: float

    def records(self, as_of: datetime, partitions: int) -> list[OutboundRecord]:
        mark = SourceAlive(department=self.department, as_of=as_of)
        value = encode(mark, event_id=uuid4(), source=source_of(self.department), time=as_of)
        return [OutboundRecord(self.topic, ALIVE_KEY, value, JSON_HEADER, number) for number in range(partitions)]
