"""Every service in one process over real databases and a simulated broker, and the clients that use it.

Relays, consumers, handlers, desks, sealers, the sweeper and the gateway's commands are the services' own; batches fail
now and then in the middle, as a database would make them.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

from deploy.local.servers.postgres import create_database, drop_database
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import PARTITIONS
from services.clearance.approvals.actions import ActionRefused
from services.clearance.exemptions.actions import NOT_APPLICABLE, WITHDRAW
from services.clearance.parts import decisions_of
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.submission.after_acceptance.form_void import NAME as VOID_FORM
from services.clearance.submission.after_acceptance.form_void import VoidBody, void_action
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.tables.commands import StudentCommandTable
from services.kit.audit.chain import ChainSealer
from services.kit.clearance_policy import ClearancePolicy
from services.kit.department.changes.requests import AuditContext, change_record
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.manifests import required_checks
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.log_positions.offsets import Records
from services.kit.messaging.relaying import relay
from services.kit.messaging.relaying.producer import partition_of
from services.kit.messaging.relaying.relay import Relay
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection
from tests.support.checker.clients import COHORT, Clients
from tests.support.checker.collect.evidence import evidence_of
from tests.support.checker.collect.rest import Ends, at_rest
from tests.support.checker.collect.trigger_log import install_trigger_log
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.history import Kind, Outcome
from tests.support.clearance.exemptions import decide, exemption_decisions, until
from tests.support.in_process.office import Office
from tests.support.in_process.services import (
    DEPARTMENTS,
    NOWHERE,
    InProcessServices,
    Receiver,
    ServiceInProcess,
)
from tests.support.in_process.simulated_broker import FAILED_BATCHES, SimulatedBroker, SimulatedProducer

ECHOED: Final = 8
REST_TIMEOUT_S: Final = 60.0
LIFE_S: Final = 4.0


class Simulation(InProcessServices, Clients):
    """All services on one event loop, with work drawn from `seed`."""

    end_timeout_s = 12.0

    def __init__(self, folder: Path, *, seed: int, life_s: float = LIFE_S) -> None:
        InProcessServices.__init__(self, folder, life_s=life_s, covered=False)
        Clients.__init__(self)
        self.offices: dict[str, Office] = {}
        self.broker = SimulatedBroker(random.Random(seed))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Watch every database, then run everything a service runs but its HTTP side."""
        for name, service in self.services.items():
            async with service.pool.acquire() as connection:
                await install_trigger_log(connection, name if name in (CLEARANCE, GATEWAY) else "department")
        await self.wire()
        for name, desk in self.desks.items():
            self.offices[name] = Office(desk, self.manifests[name])
            await self.declare(name, COHORT)
        for service in self.services.values():
            for receiver in service.receivers:
                self._consume(service, receiver)
            self._relay(service)
            if service.name != GATEWAY:
                self._run(ChainSealer(service.pool).run)
        for office in self.offices.values():
            for loop in office.loops:
                self._run(loop)
        self._run(self.sweeper.run)
        self._run(partial(exceptions.recheck, self.clearance.pool))
        gateway = self.services[GATEWAY]
        self.pool, self.readers = gateway.pool, self.clearance.pool
        self.commands = StudentCommandTable(gateway.pool, self.topics, gateway.wakeup)
        self.forms = SubmissionRecords(self.readers)
        self.certificates = CertificateIssueRequests(gateway.pool, self.topics, gateway.wakeup, self.forms)

    async def close(self) -> None:
        for task in [*self._tasks, *self.broker.late]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close()

    async def desk(self, department: str, operation: str, student_id: str, **body: Any) -> Outcome:
        key, began_s = f"k-{uuid4()}", time.monotonic()
        desk = self.desks[department]
        doing = next(one for one in desk.rules.operations if one.name == operation)
        asked = doing.body.model_validate({"student_id": student_id, **body})
        reply: dict[str, Any] = {}
        try:
            changed = await change_record(
                desk,
                student_id,
                lambda record: doing.apply(record, asked),
                now=datetime.now(UTC),
                key=IdempotencyKey.of("desk", key, asked.model_dump_json()),
                audit=AuditContext("desk", f"desk.{operation}"),
                evidence=desk.rules.evidence_of_operation(doing, asked),
            )
        except (Refused, Held):
            outcome = Outcome.FAILED
        else:
            outcome, reply = Outcome.OK, {"version": changed.status_version}
        self.history.add(Kind.DESK, student_id, outcome, began_s=began_s, department=department, key=key, reply=reply)
        return outcome

    async def student(self, *, cohort: str | None = COHORT, silent: Collection[str] = (), **records: Any) -> str:
        return await InProcessServices.student(self, cohort=cohort, silent=silent, **records)

    async def exempt(self, student_id: str, department: str, check: str) -> None:
        await self._decide(NOT_APPLICABLE, student_id, f"{department}.{check}", until=until())

    async def withdraw_exemption(self, student_id: str, department: str, check: str) -> None:
        await self._decide(WITHDRAW, student_id, f"{department}.{check}")

    async def _decide(self, action: str, student_id: str, check: str, **body: str) -> None:
        deciding = exemption_decisions(required_checks(self.manifests))
        with suppress(ActionRefused):
            await decide(deciding, self.clearance.pool, action, student_id, check, **body)
        self.clearance.wakeup.notify()

    async def declare(self, department: str, cohort: str) -> None:
        await self.offices[department].declare(cohort)

    async def withdraw(self, department: str, cohort: str) -> None:
        await self.offices[department].withdraw(cohort)

    async def send_file(self, department: str, content: str, covers: str = "") -> None:
        await self.offices[department].send_file(content, covers)

    async def end_questions(self, department: str, student_id: str) -> None:
        await self.offices[department].end_questions(student_id)

    async def join(self, student_id: str, former: str) -> None:
        async with self.clearance.pool.acquire() as connection, connection.transaction():
            await self.roster.join(connection, student_id, former, now=datetime.now(UTC))
        self.clearance.wakeup.notify()

    async def void(self, student_id: str, form_number: str) -> None:
        decisions = decisions_of(ClearancePolicy(), [void_action(self.roster)])
        body = VoidBody(student_id=student_id, form_number=form_number, reason="a wrong name")
        key = IdempotencyKey.of("operator", f"k-{uuid4()}", body.model_dump_json())
        with suppress(ActionRefused):
            async with self.clearance.pool.acquire() as connection, connection.transaction():
                proposal = await decisions.propose(connection, decisions.actions[VOID_FORM], body, key)
            async with self.clearance.pool.acquire() as connection, connection.transaction():
                await decisions.confirm(connection, proposal.proposal_id, by="approver")
        self.clearance.wakeup.notify()

    async def repeat_messages(self, student_id: str) -> None:
        for topic in (self.topics.submission, self.topics.command):
            records = self.broker.partitions[topic, partition_of(student_id.encode(), PARTITIONS)]
            for record in [one for one in records if one.key == student_id.encode()][-ECHOED:]:
                self.broker.append(topic, record.key, record.value)

    async def rest(self) -> bool:
        """Wait until nothing is on its way anywhere; whether that came in time.

        A status that lands again behind a newer one hides its line until the department is asked to publish it again,
        as the comparison of digests has it done.
        """
        return await self._at_rest() and (not await self._published_again() or await self._at_rest())

    async def _published_again(self) -> bool:
        hidden = await self.clearance.pool.fetch(
            "SELECT student_id, department FROM status WHERE older_offset IS NOT NULL"
        )
        for row in hidden:
            desk = self.desks[row["department"]]
            async with desk.pool.acquire() as connection, connection.transaction():
                await StatusPublisher(desk).publish_again(connection, [row["student_id"]])
            desk.wakeup.notify()
        return bool(hidden)

    async def _at_rest(self) -> bool:
        deadline_s = time.monotonic() + REST_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if not self.broker.late and await at_rest(self._connect, self.topics, DEPARTMENTS, self._ends):
                return True
            await asyncio.sleep(0.1)
        return False

    async def evidence(self, *, settled: bool) -> Evidence:
        """Read everything, as it is done of real processes."""
        found = [record for records in self.broker.partitions.values() for record in records]
        return await evidence_of(
            self._connect,
            self.topics,
            self.manifests,
            found,
            operations=tuple(self.history.operations),
            settled=settled,
            faulty=True,
        )

    def _connect(self, service: str) -> AbstractAsyncContextManager[Connection]:
        return self.services[service].pool.acquire()

    async def _ends(self) -> Ends:
        return {partition: len(records) for partition, records in self.broker.partitions.items()}

    def _consume(self, service: ServiceInProcess, receiver: Receiver) -> None:
        """Run the service's own consumer, fed by the simulated broker."""

        subscription = receiver.router.subscription
        apply = subscription.apply

        async def failing(connection: Connection, records: Records) -> list[DeadLetter]:
            dead = await apply(connection, records)
            self.broker.fail_sometimes(FAILED_BATCHES)
            return dead

        with patch.object(subscription, "apply", failing):
            consumer = TransactionalConsumer(
                receiver.router,
                name=receiver.router.group,
                pool=service.pool,
                kafka=NOWHERE,
                after_commit=receiver.committed,
            )
        # The consumer's poll is Kafka's; its workers and the way batches reach them are run as they are.
        for number, unit in enumerate(consumer.units):
            self._run(partial(subscription.work, number, unit.run))

        async def feed() -> None:
            async for batch in self.broker.poll(receiver.topics):
                await subscription.consume_one(batch)

        self._run(feed)

    def _relay(self, service: ServiceInProcess) -> None:
        with patch.object(relay, "BatchProducer", lambda *_, **__: SimulatedProducer(self.broker)):
            self._run(Relay(service.dsn, kafka=NOWHERE, name=service.name, wakeup=service.wakeup).run)

    def _run(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def supervised() -> None:
            while True:
                try:
                    await run()
                except Exception:  # whatever it was, it is started again, as the services do
                    await asyncio.sleep(0.05)

        self._tasks.append(asyncio.create_task(supervised()))


@asynccontextmanager
async def simulation(postgres: str, folder: Path, *, seed: int, life_s: float = LIFE_S) -> AsyncIterator[Simulation]:
    """A running simulation over databases of its own."""
    made = Simulation(folder, seed=seed, life_s=life_s)
    names: list[str] = []

    async def create(name: str) -> str:
        names.append(f"simulation_{name}_{made.topics.namespace}")
        return await create_database(postgres, names[-1])

    try:
        await made.create_databases(create, gateway=True)
        await made.start()
        yield made
    finally:
        await made.close()
        for name in names:
            await drop_database(postgres, name)
