"""Everything the checker judges by: tables, topics and the clients' history."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.events import Message
from tests.support.checker.evidence.tables import ClearanceTables, DepartmentTables, GatewayTables, ServiceTables
from tests.support.checker.history import Operation


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic. `event` is None when it cannot be read."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    event_id: str = ""
    event: Message | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything there is to judge by.

    `required`: department → its checks; `absent`: department → check → what no row about a covered student means.
    `forged` are the ids of events that the test sent itself; `ruled`: student → (department, check) left out by rules.
    `settled`: there is no new work, faults are healed, and what had to come to rest did. `faulty`: a round may have
    expired.
    """

    required: Mapping[str, tuple[str, ...]]
    absent: Mapping[str, Mapping[str, str]]
    departments: Mapping[str, DepartmentTables]
    clearance: ClearanceTables
    gateway: GatewayTables
    records: tuple[Record, ...] = ()
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(topic, partition) → the offset behind its last record."""
    subscriptions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Consumer → the topics it has to read."""
    operations: tuple[Operation, ...] = ()
    forged: frozenset[str] = frozenset()
    ruled: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    settled: bool = True
    faulty: bool = False

    @property
    def services(self) -> dict[str, ServiceTables]:
        return {
            **{name: department.service for name, department in self.departments.items()},
            "clearance": self.clearance.service,
            "gateway": self.gateway.service,
        }
