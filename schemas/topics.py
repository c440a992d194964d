"""Topic names, partitions and configuration.

Names are `<namespace>.<producer>.<subject>.v<major>`. The key is the student id, so a producer's events about a student
stay in order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

PARTITIONS: Final = 6
"""Another count moves students to other partitions: it needs a new topic and a rebuild."""

ALIVE_KEY: Final = b":alive"
"""No student id starts with a colon, so compaction keeps alive marks apart."""

KEPT_DAYS: Final = 90
"""Of an ordinary topic's records and a compacted one's tombstones: a reader that was away for less misses none."""

COMPACTED_WITHIN_DAYS: Final = 7
"""A state that was replaced or forgotten is gone from a compacted topic after this, however little is written."""

_DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int = PARTITIONS
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topics:
    """`namespace` separates installations on one broker."""

    namespace: str = "lixiao"

    @property
    def case(self) -> str:
        return f"{self.namespace}.clearance.case.v1"

    @property
    def submission(self) -> str:
        return f"{self.namespace}.clearance.submission.v1"

    @property
    def republication(self) -> str:
        return f"{self.namespace}.clearance.republication.v1"

    @property
    def command(self) -> str:
        return f"{self.namespace}.gateway.command.v1"

    @property
    def sent(self) -> str:
        return f"{self.namespace}.notices.sent.v1"

    def status(self, department: str) -> str:
        return f"{self.namespace}.{department}.status.v1"

    def attestation(self, department: str) -> str:
        return f"{self.namespace}.{department}.attestation.v1"

    def answer(self, department: str) -> str:
        return f"{self.namespace}.{department}.answer.v1"

    def audit(self, service: str) -> str:
        return f"{self.namespace}.{service}.audit.v1"

    def signed(self, topic: str) -> bool:
        """Whether its records carry their sender's signature: all but statuses."""
        return not topic.endswith(".status.v1")

    def group(self, consumer: str) -> str:
        """For example `clearance.projector`."""
        return f"{self.namespace}.{consumer}"

    def specs(
        self, departments: Iterable[str], partitions: int = PARTITIONS, *, days: int = KEPT_DAYS
    ) -> tuple[TopicSpec, ...]:
        """`days`: as `KEPT_DAYS`."""
        names = [self.submission, self.republication, self.command, self.sent]
        names += [self.audit(service) for service in ("clearance", "gateway", "notices")]
        compacted = [self.case]
        for department in sorted(departments):
            compacted.append(self.status(department))
            names += [self.attestation(department), self.answer(department), self.audit(department)]
        kept_ms = str(days * _DAY_MS)
        latest_state = {
            "cleanup.policy": "compact",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "delete.retention.ms": kept_ms,
            "max.compaction.lag.ms": str(COMPACTED_WITHIN_DAYS * _DAY_MS),
        }
        everything = {"cleanup.policy": "delete", "retention.ms": kept_ms}
        return tuple(TopicSpec(name, partitions, latest_state) for name in compacted) + tuple(
            TopicSpec(name, partitions, everything) for name in names
        )
