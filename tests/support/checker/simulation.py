"""Every service's own code over real databases in one process, with the test as the broker.

What a broker may do to messages is done to them here, drawn from a seed: delays, repetitions that land late, sends
that fail before or behind the acknowledgement, and databases that fail in the middle of a batch. Relays, inboxes,
handlers, desks and the gateway's commands are the services' own.
"""

import asyncio
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
from aiokafka import ConsumerRecord

from deploy.local.installation import new_student_id
from deploy.local.servers.postgres import create_database, drop_database
from schemas.events import Reason
from schemas.flows import GATEWAY
from schemas.topics import PARTITIONS, Topics
from services.clearance.app import FOLDERS as CLEARANCE_FOLDERS
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.case_store import Roster
from services.clearance.roster.cases import Student
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.handlers import NAME as ROUNDS
from services.clearance.submission.handlers import Submissions, submission_batch_handler
from services.clearance.submission.sweeper import AttemptSweeper
from services.clearance.view.projector import Projector
from services.gateway.app import FOLDERS as GATEWAY_FOLDERS
from services.gateway.tables.commands import StudentCommandTable, ends
from services.kit.audit.chain import ChainSealer
from services.kit.department.desk import AuditContext, Desk
from services.kit.department.idempotency import request_key
from services.kit.department.rules import Record
from services.kit.department.service import FOLDERS as DEPARTMENT_FOLDERS
from services.kit.department.service import event_handlers
from services.kit.manifests import discover, required_checks
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters import ApplyBatch, DeadLetter
from services.kit.messaging.handlers import dispatch
from services.kit.messaging.offsets import Records
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.producer import OutboundRecord, partition_of
from services.kit.messaging.relay import Relay
from services.kit.operations import Held, Refused
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import Connection, open_pool
from services.kit.runtime.failpoints import Passed
from tests.support.checker import collect_evidence
from tests.support.checker.clients import CLEAR, Clients
from tests.support.checker.evidence import Evidence
from tests.support.checker.history import Kind, Outcome
from tests.support.checker.trigger_log import watch
from tests.support.desks import rules_of

_REPLACED: Final = Reason(code="record-replaced")
NOWHERE: Final = "127.0.0.1:9"
CLEARANCE: Final = "clearance"
REPEATED, FAILED_SENDS, FAILED_BATCHES, SPELLS = 0.25, 0.03, 0.03, 0.006
LATE_S: Final = (0.01, 0.6)
SPELL_S: Final = (0.1, 0.5)
"""A consumer that stands still for a while."""
DELAY_S: Final = (0.0, 0.012)
ECHOED: Final = 8
REST_TIMEOUT_S: Final = 60.0
LIFE_S: Final = 4.0


class Away(ConnectionError):
    """The broker or a database is away, for this once."""


class Topicry:
    """The topics: every record ever, by partition. `publish` is what a relay sends through."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.parts: dict[tuple[str, int], list[ConsumerRecord]] = defaultdict(list)
        self.late: set[asyncio.Task[None]] = set()
        self.readers: list[asyncio.Event] = []

    def append(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        number = partition_of(key, PARTITIONS) if partition is None else partition
        for reader in self.readers:
            reader.set()
        part = self.parts[topic, number]
        part.append(
            ConsumerRecord(
                topic=topic,
                partition=number,
                offset=len(part),
                timestamp=0,
                timestamp_type=0,
                key=key,
                value=value,
                checksum=None,
                serialized_key_size=len(key),
                serialized_value_size=len(value),
                headers=(),
            )
        )

    async def again(self, one: OutboundRecord) -> None:
        """A send of unknown outcome that lands after all, behind newer ones."""
        await asyncio.sleep(self.chance.uniform(*LATE_S))
        self.append(one.topic, one.key, one.value, one.partition)


class Publisher:
    """In the place of a relay's: fails now and then, before or behind what the broker took."""

    def __init__(self, topicry: Topicry) -> None:
        self._topicry = topicry

    async def send(self, records: Sequence[OutboundRecord]) -> None:
        topicry = self._topicry
        if topicry.chance.random() < FAILED_SENDS:
            raise Away
        await asyncio.sleep(topicry.chance.uniform(*DELAY_S))
        for one in records:
            topicry.append(one.topic, one.key, one.value, one.partition)
            if topicry.chance.random() < REPEATED:
                task = asyncio.create_task(topicry.again(one))
                topicry.late.add(task)
                task.add_done_callback(topicry.late.discard)
        if topicry.chance.random() < FAILED_SENDS:
            raise Away

    async def partitions(self, topic: str) -> int:
        return PARTITIONS

    async def close(self) -> None:
        """Nothing is kept open."""


class Stage(Clients):
    """All services on one event loop. `begin` before anything, `close` at the end."""

    end_timeout_s = 12.0

    def __init__(self, postgres: str, folder: Path, *, seed: int, life_s: float = LIFE_S) -> None:
        super().__init__()
        self._postgres, self._folder, self._life_s = postgres, folder, life_s
        self.chance = random.Random(seed)
        self.topics = Topics(f"s{secrets.token_hex(3)}")
        self.topicry = Topicry(self.chance)
        self.departments = discover()
        self.databases: dict[str, str] = {}
        self.pools: dict[str, asyncpg.Pool[Any]] = {}
        self.desks: dict[str, Desk[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        await asyncio.gather(*(self._database(name, DEPARTMENT_FOLDERS, "department") for name in self.departments))
        await self._database(CLEARANCE, CLEARANCE_FOLDERS, CLEARANCE)
        await self._database(GATEWAY, GATEWAY_FOLDERS, GATEWAY)
        for name in self.departments:
            self._department(name)
        await self._clearance()
        self._gateway()

    async def close(self) -> None:
        for task in [*self._tasks, *self.topicry.late]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self.pools.values():
            pool.terminate()
        for dsn in self.databases.values():
            await drop_database(self._postgres, dsn.rpartition("/")[2].partition("?")[0])

    async def student(self, *, library: Mapping[str, Any] | None = None) -> str:
        student_id = new_student_id()
        for name, record in {**CLEAR, **({"library": library} if library is not None else {})}.items():
            rules = self.desks[name].rules
            body = rules.record.model_validate(record)
            await self.desks[name].change(student_id, partial(_replaced, body), now=datetime.now(UTC))
        async with self.pools[CLEARANCE].acquire() as connection, connection.transaction():
            await self._roster.put(connection, _person(student_id), now=datetime.now(UTC))
        return student_id

    async def desk(self, department: str, operation: str, student_id: str, **body: Any) -> Outcome:
        key, began_s = f"k-{uuid4()}", time.monotonic()
        desk = self.desks[department]
        doing = next(one for one in desk.rules.operations if one.name == operation)
        asked = doing.body.model_validate({"student_id": student_id, **body})
        reply: dict[str, Any] = {}
        try:
            changed = await desk.change(
                student_id,
                lambda record: doing.apply(record, asked),
                now=datetime.now(UTC),
                request=request_key("desk", key, asked.model_dump_json()),
                act=AuditContext("desk", f"desk.{operation}"),
            )
        except (Refused, Held):
            outcome = Outcome.FAILED
        else:
            outcome, reply = Outcome.OK, {"version": changed.status_version}
        self.history.add(Kind.DESK, student_id, outcome, began_s=began_s, department=department, key=key, reply=reply)
        return outcome

    async def echo(self, student_id: str) -> None:
        for topic in (self.topics.submission, self.topics.command):
            part = self.topicry.parts[topic, partition_of(student_id.encode(), PARTITIONS)]
            for record in [one for one in part if one.key == student_id.encode()][-ECHOED:]:
                self.topicry.append(topic, record.key, record.value)

    async def rest(self) -> bool:
        """Wait until nothing is on its way anywhere; whether that came in time."""
        deadline_s = time.monotonic() + REST_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if not self.topicry.late and await self._at_rest():
                return True
            await asyncio.sleep(0.1)
        return False

    async def evidence(self, *, settled: bool) -> Evidence:
        """Read everything, as it is done of an installation."""
        found = [record for part in self.topicry.parts.values() for record in part]
        departments = {}
        for name in self.departments:
            async with self.pools[name].acquire() as connection:
                departments[name] = await collect_evidence.department_of(connection, name)
        async with self.pools[CLEARANCE].acquire() as clearance, self.pools[GATEWAY].acquire() as gateway:
            return Evidence(
                required=required_checks(self.departments),
                departments=departments,
                clearance=await collect_evidence.clearance_of(clearance),
                gateway=await collect_evidence.gateway_of(gateway),
                records=collect_evidence.records_of(found),
                ends={place: len(part) for place, part in self.topicry.parts.items()},
                heard_by=collect_evidence.heard_by(self.topics, self.departments),
                operations=tuple(self.history.operations),
                settled=settled,
                faulty=True,
            )

    async def _at_rest(self) -> bool:
        positions: dict[tuple[str, str, int], int] = {}
        for pool in self.pools.values():
            if await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                return False
            for row in await pool.fetch("SELECT consumer, topic, partition, next_offset FROM consumer_offset"):
                positions[row["consumer"], row["topic"], row["partition"]] = row["next_offset"]
        if await self.pools[CLEARANCE].fetchval("SELECT EXISTS (SELECT FROM attempt WHERE state = 'open')"):
            return False
        heard = collect_evidence.heard_by(self.topics, self.departments)
        return all(
            positions.get((consumer, *place), 0) >= len(part)
            for consumer, topics in heard.items()
            for place, part in list(self.topicry.parts.items())
            if place[0] in topics
        )

    async def _database(self, name: str, folders: Sequence[Path], kind: str) -> None:
        dsn = await create_database(self._postgres, f"stage_{name}_{self.topics.namespace}")
        self.databases[name] = dsn
        await migrate(dsn, folders)
        pool = await open_pool(dsn, name=name, max_size=12)
        self.pools[name] = pool
        async with pool.acquire() as connection:
            await watch(connection, kind)

    def _department(self, name: str) -> None:
        bell, pool, passed = Wakeup(), self.pools[name], Passed()
        desk = Desk(rules_of(name), pool, self.topics, bell)
        self.desks[name] = desk
        topics = [self.topics.case, self.topics.submission, self.topics.command]
        self._listen(name, name, topics, dispatch(event_handlers(desk, self.topics, passed)), bell.ring)
        self._run(ChainSealer(pool).run)
        self._relay(name, bell)

    async def _clearance(self) -> None:
        pool, bell, zone = self.pools[CLEARANCE], Wakeup(), ClearanceSettings.model_construct().zone
        self._roster = Roster(topic=self.topics.case, served=frozenset({"毕业离校"}), zone=zone)
        keyring = Keyring(self._folder / "keys")
        async with pool.acquire() as connection, connection.transaction():
            await keyring.ensure(connection)
        submissions = Submissions(
            topics=self.topics,
            required=required_checks(self.departments),
            roster=self._roster,
            keyring=keyring,
            zone=zone,
            passed=Passed(),
            life_s=self._life_s,
        )
        names = list(self.departments)
        hears_on = [self.topics.command, *(self.topics.attestation(name) for name in names)]
        self._listen(
            CLEARANCE,
            ROUNDS,
            hears_on,
            submission_batch_handler(submissions, self.topics, self.departments),
            bell.ring,
            lanes=2,
        )
        projector = Projector(pool=pool, kafka=NOWHERE, topics=self.topics, departments=names)
        self._listen(CLEARANCE, "clearance.projector", projector.topics, projector.apply, projector.committed, lanes=2)
        self._run(AttemptSweeper(pool, submissions, Passed(), bell).run)
        self._run(ChainSealer(pool).run)
        self._relay(CLEARANCE, bell)

    def _gateway(self) -> None:
        bell = Wakeup()
        self.pool, self.readers = self.pools[GATEWAY], self.pools[CLEARANCE]
        self.commands = StudentCommandTable(self.pool, self.topics, bell)
        heard = [self.topics.submission, *(self.topics.answer(name) for name in self.departments)]
        self._listen(GATEWAY, GATEWAY, heard, dispatch(ends()), bell.ring)
        self._relay(GATEWAY, bell)

    def _listen(
        self,
        service: str,
        name: str,
        topics: Iterable[str],
        apply: ApplyBatch,
        committed: Callable[[], None],
        lanes: int = 1,
    ) -> None:
        """An inbox whose records come from the stage: everything but its poll is its own."""
        chance = self.chance

        async def failing(connection: Connection, records: Records, parked: list[DeadLetter]) -> None:
            await apply(connection, records, parked)
            if chance.random() < FAILED_BATCHES:
                raise Away

        inbox = TransactionalConsumer(
            pool=self.pools[service],
            kafka=NOWHERE,
            group=self.topics.group(name),
            topics=topics,
            apply=failing,
            lanes=lanes,
            committed=committed,
        )
        inbox._queues = [asyncio.Queue(maxsize=1) for _ in range(lanes)]
        for queue in inbox._queues:
            self._tasks.append(asyncio.create_task(inbox._work(queue)))
        self._run(lambda: self._feed(inbox))

    async def _feed(self, inbox: TransactionalConsumer) -> None:
        at: dict[tuple[str, int], int] = defaultdict(int)
        grown = asyncio.Event()
        self.topicry.readers.append(grown)
        while True:
            await asyncio.sleep(self.chance.uniform(*(SPELL_S if self.chance.random() < SPELLS else DELAY_S)))
            places = [
                place
                for place in list(self.topicry.parts)
                if place[0] in inbox._topics and at[place] < len(self.topicry.parts[place])
            ]
            if not places:
                grown.clear()
                await grown.wait()
                continue
            polled: list[ConsumerRecord] = []
            for place in self.chance.sample(places, self.chance.randint(1, len(places))):
                some = self.topicry.parts[place][at[place] : at[place] + self.chance.randint(1, 8)]
                at[place] += len(some)
                polled += some
            await inbox._take(polled)

    def _relay(self, name: str, bell: Wakeup) -> None:
        relay = Relay(self.databases[name], kafka=NOWHERE, name=name, bell=bell)
        relay._publisher = Publisher(self.topicry)  # type: ignore[assignment]
        self._run(relay.run)

    def _run(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def kept() -> None:
            while True:
                try:
                    await run()
                except Exception:  # as the services' keeper does: whatever it was, it is started again
                    await asyncio.sleep(0.05)

        self._tasks.append(asyncio.create_task(kept()))


def _person(student_id: str) -> Student:
    return Student(
        student_id=student_id,
        name="甲某",
        gender="女",
        college="示例学院",
        major="示例专业",
        grade="2023级",
        enrolled_on=date(2023, 9, 1),
        leave_category="毕业离校",
    )


def _replaced(body: Record, _: Record) -> tuple[Record, Reason]:
    return body, _REPLACED
