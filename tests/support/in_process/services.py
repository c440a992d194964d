"""The services' own desks and handlers over real databases in one process; what carries the messages is the caller's.

`Harness` carries them by hand, `Simulation` with a seeded broker.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka import ConsumerRecord

from schemas.codec import TOMBSTONE_HEADERS
from schemas.events import Reason
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.roster import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.restoring.outcomes import Restoring
from services.clearance.submission.round.handlers import Submissions
from services.clearance.submission.round.sweeper import AttemptSweeper
from services.clearance.submission.subscriptions import outcomes_router, submissions_router
from services.clearance.view.projector import Projector
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.tables.subscriptions import gateway_router
from services.kit.clearance_policy import ClearancePolicy
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import ChangeResult, Desk
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.subscriptions import department_router
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover, required_checks
from services.kit.messaging.dead_letters.store import store_dead_letters
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from tests.support.departments.coverage import cover_everybody
from tests.support.departments.desks import rules_of
from tests.support.samples.roster_students import person
from tests.support.servers.fixtures import DatabaseMaker

NOWHERE: Final = KafkaConnection("127.0.0.1:9")
RECORD_REPLACED: Final = Reason(code="record-replaced")
RULES: Final = {name: rules_of(name) for name in discover()}
DEPARTMENTS: Final = tuple(RULES)
CLEAR: Final[Mapping[str, Mapping[str, Any]]] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
}
"""Records of a student who is clear everywhere; nothing on record is clear at the other departments."""


@dataclass(frozen=True)
class Receiver:
    """One consumer group: its subscriptions, and what it calls after each commit."""

    router: TransactionalRouter
    committed: Callable[[], None]

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(self.router.subscription.topic_names)


@dataclass
class ServiceInProcess:
    """A service's database and consumer groups. `dead_letters`: why each record was refused."""

    name: str
    dsn: str
    pool: "asyncpg.Pool[Any]"
    wakeup: Wakeup = field(default_factory=Wakeup)
    receivers: list[Receiver] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)

    async def receive(self, records: Sequence[ConsumerRecord]) -> None:
        """Apply the records that this service subscribes to, as its consumers do: a batch in one transaction."""
        for receiver in self.receivers:
            batch = [record for record in records if record.topic in receiver.topics]
            if not batch:
                continue
            async with self.pool.acquire() as connection, connection.transaction():
                dead = await receiver.router.subscription.apply(connection, batch)
                await store_dead_letters(connection, receiver.router.group, dead)
            receiver.committed()
            self.dead_letters += [one.reason for one in dead]

    async def take_outbox(self) -> list[ConsumerRecord]:
        """Remove what waits in the outbox, in its order."""
        rows = await self.pool.fetch(
            "WITH gone AS (DELETE FROM outbox RETURNING id, topic, key, value) SELECT * FROM gone ORDER BY id"
        )
        return [record_of(row["topic"], row["key"], row["value"]) for row in rows]

    def subscribe(self, router: TransactionalRouter, committed: Callable[[], None]) -> None:
        self.receivers.append(Receiver(router, committed))


class InProcessServices:
    """Every department, the clearance and, if wanted, the gateway. `create_databases`, then `wire`."""

    def __init__(self, folder: Path, *, life_s: float = 600.0, covered: bool = True) -> None:
        """The signing keys are in `folder`; `life_s` is the life of an attempt. `covered`: by lists of everybody."""
        self.keys, self._life_s, self._covered = folder / "keys", life_s, covered
        self.topics = Topics(f"t{secrets.token_hex(3)}")
        self.manifests = discover()
        self.policy = ClearancePolicy()
        self.services: dict[str, ServiceInProcess] = {}
        self.desks: dict[str, Desk[Any]] = {}

    @property
    def clearance(self) -> ServiceInProcess:
        return self.services[CLEARANCE]

    @property
    def departments(self) -> dict[str, ServiceInProcess]:
        return {name: self.services[name] for name in DEPARTMENTS}

    async def create_databases(self, create: DatabaseMaker, *, gateway: bool = False) -> None:
        """A migrated database and a pool for each service."""
        folders = {**dict.fromkeys(DEPARTMENTS, DEPARTMENT_FOLDERS), CLEARANCE: CLEARANCE_FOLDERS}
        for name, scripts in {**folders, **({GATEWAY: GATEWAY_FOLDERS} if gateway else {})}.items():
            dsn = await create(name)
            await migrate(dsn, scripts)
            self.services[name] = ServiceInProcess(name, dsn, await open_pool(dsn, name=name, max_size=12))

    async def wire(self) -> None:
        """Make desks and handlers, and a first signing key."""
        for name, service in self.departments.items():
            self._wire_department(name, service)
            if self._covered:
                await cover_everybody(service.pool, RULES[name])
        await self._wire_clearance()
        if GATEWAY in self.services:
            gateway = self.services[GATEWAY]
            gateway.subscribe(gateway_router(self.topics, DEPARTMENTS), gateway.wakeup.notify)

    async def close(self) -> None:
        for service in self.services.values():
            service.pool.terminate()

    async def student(self, *, cohort: str | None = None, silent: Collection[str] = (), **records: Any) -> str:
        """A student with an open case, clear everywhere but where `records` says otherwise.

        The `silent` departments have no record of them.
        """
        student_id = f"TS{secrets.token_hex(5).upper()}"
        for name in self.desks:
            if name not in silent:
                await self.set(name, student_id, records.get(name, CLEAR.get(name, {})))
        async with self.clearance.pool.acquire() as connection, connection.transaction():
            await self.roster.put(connection, person(student_id, cohort), now=datetime.now(UTC))
        return student_id

    async def clear_again(self, student_id: str) -> None:
        """Every department speaks of a later departure."""
        for name in self.desks:
            await self.set(name, student_id, CLEAR.get(name, {}))

    async def set(self, department: str, student_id: str, record: Any) -> ChangeResult[Any]:
        """Replace the whole record at the desk. Raises `Held`."""
        desk = self.desks[department]
        body = desk.rules.record.model_validate(record)
        return await change_record(desk, student_id, lambda _: (body, RECORD_REPLACED), now=datetime.now(UTC))

    async def reopen_clearance(self) -> None:
        """Over its database as it is now: another may have been put in its place."""
        self.clearance.pool = await open_pool(self.clearance.dsn, name=CLEARANCE, max_size=12)
        self.clearance.receivers.clear()
        await self._wire_clearance()

    def _wire_department(self, name: str, service: ServiceInProcess) -> None:
        desk = self.desks[name] = Desk(RULES[name], service.pool, self.topics, service.wakeup, discover()[name])
        service.subscribe(department_router(desk, self.topics), service.wakeup.notify)

    async def _wire_clearance(self) -> None:
        service, topics, zone = self.clearance, self.topics, ClearanceSettings.model_construct().zone
        self.roster = Roster(topic=topics.case, served=self.policy.served, zone=zone)
        self.store = FileKeys(self.keys)
        self.keyring = Keyring(self.store)
        async with service.pool.acquire() as connection, connection.transaction():
            await self.keyring.ensure(connection)
        submissions = self.submissions(self.keyring)
        restoring = Restoring(roster=self.roster, keyring=self.keyring)
        service.subscribe(outcomes_router(restoring, topics), service.wakeup.notify)
        service.subscribe(submissions_router(submissions, topics, DEPARTMENTS), service.wakeup.notify)
        self.projector = Projector(pool=service.pool, kafka=NOWHERE, topics=topics, departments=DEPARTMENTS)
        service.subscribe(self.projector.router, self.projector.committed)
        self.sweeper = AttemptSweeper(service.pool, submissions, service.wakeup)

    def submissions(self, keyring: Keyring) -> Submissions:
        """The clearance's decision, as this installation is set."""
        return Submissions(
            topics=self.topics,
            required=required_checks(self.manifests),
            roster=self.roster,
            waivers=CaseWaivers(self.policy),
            keyring=keyring,
            zone=ClearanceSettings.model_construct().zone,
            life_s=self._life_s,
        )


_offsets: dict[tuple[str, int], int] = defaultdict(int)


def record_of(
    topic: str,
    key: bytes,
    value: bytes | None,
    *,
    partition: int = 0,
    offset: int | None = None,
    headers: tuple[tuple[str, bytes], ...] | None = None,
) -> ConsumerRecord:
    """A record as a consumer polls it; without `offset` at the next one of the partition.

    Without a value it has a tombstone's headers, as the relay sends it.
    """
    if headers is None:
        headers = TOMBSTONE_HEADERS if value is None else ()
    if offset is None:
        _offsets[topic, partition] += 1
        offset = _offsets[topic, partition]
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value or b""),
        headers=headers,
    )
