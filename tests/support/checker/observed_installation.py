"""Real processes with a trigger log in each database, clients that keep a history, and the evidence of it all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.installation import Installation, new_student_id
from schemas.flows import CLEARANCE, GATEWAY
from services.clearance.exemptions.actions import NOT_APPLICABLE, WITHDRAW
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.tables.commands import StudentCommandTable
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.outbox import Wakeup
from services.kit.names import APPROVER, FORM_VOID, ROSTER
from services.kit.postgres.pool import Connection
from tests.support.checker.checker import Anomaly, check
from tests.support.checker.clients import COHORT, Clients
from tests.support.checker.collect.evidence import evidence_of
from tests.support.checker.collect.records import forged_ids
from tests.support.checker.collect.rest import Ends, at_rest
from tests.support.checker.collect.trigger_log import install_trigger_log
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.history import Kind, Outcome
from tests.support.clearance.exemptions import until
from tests.support.in_process.services import CLEAR
from tests.support.kafka.topics import everything

REST_TIMEOUT_S: Final = 60.0
PREPARE_TIMEOUT_S: Final = 60.0
_AWAY: Final = (httpx.TransportError, httpx.TimeoutException)


class ObservedInstallation(Clients):
    """`begin` before anything, `close` at the end."""

    def __init__(
        self,
        folder: Path,
        *,
        postgres: str,
        kafka: KafkaConnection,
        life_s: float = 600.0,
        root: Path | None = None,
        made: Callable[..., Installation] = Installation,
    ) -> None:
        settings = {"LIXIAO_ATTEMPT_LIFE_S": str(life_s), "LIXIAO_KEYS": str(folder / "keys")}
        more: dict[str, Any] = {"root": root} if root else {}
        more["covered"] = False
        self.installation = made(folder, postgres=postgres, kafka=kafka, settings=settings, **more)
        super().__init__()
        self.forged: list[bytes] = []
        self.faulty = False
        self._kafka = kafka
        self._pools: list[asyncpg.Pool[Any]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that are running when all is well."""
        return (*self.installation.departments, CLEARANCE, GATEWAY)

    async def begin(self, *more: str) -> None:
        """Provision, start everything, and observe it."""
        await self.installation.provision()
        await self.installation.start(*self.names, *more)
        await self.observe()

    async def observe(self) -> None:
        """Put a witness into every database before anything happens, and declare the departments' lists."""
        for name in self.names:
            kind = name if name in (CLEARANCE, GATEWAY) else "department"
            await install_trigger_log(await self.installation.database(name), kind)
        for name in self.installation.departments:
            await self.declare(name, COHORT)
        environment = self.installation.service(GATEWAY).environment
        dsn = environment["LIXIAO_DATABASE"]
        reader = environment["LIXIAO_READ_MODEL"]
        self.pool = await asyncpg.create_pool(dsn, min_size=1, max_size=16)
        self.readers = await asyncpg.create_pool(reader, min_size=1, max_size=8)
        self._pools = [self.pool, self.readers]
        self.commands = StudentCommandTable(self.pool, self.installation.topics, Wakeup())
        self.forms = SubmissionRecords(self.readers)
        self.certificates = CertificateIssueRequests(self.pool, self.installation.topics, Wakeup(), self.forms)

    async def close(self) -> None:
        """Also where it did not begin."""
        for pool in self._pools:
            pool.terminate()
        await self.installation.close()

    async def mend(self) -> None:
        """Start whatever is not running."""
        await self.installation.start_missing(self.names)

    async def student(self, *, cohort: str | None = COHORT, silent: Collection[str] = (), **records: Any) -> str:
        student_id = new_student_id()
        await self._until_done(lambda: self.installation.enrol(student_id, cohort=cohort))
        for name, record in {**CLEAR, **records}.items():
            if name not in silent:
                await self._until_done(partial(self.installation.put, name, student_id, record))
        return student_id

    async def declare(self, department: str, cohort: str) -> None:
        with suppress(*_AWAY):
            await self.installation.cover(department, cohort)

    async def withdraw(self, department: str, cohort: str) -> None:
        client = self.installation.client(department)
        with suppress(*_AWAY):
            loads = (await client.get("/coverage", params={"valid": True, "limit": 100})).json()["loads"]
            for load in loads:
                if load["cohort"] == cohort:
                    body = {"load_id": load["load_id"], "reason": "not whole"}
                    await client.post("/coverage/withdraw", json=body)

    async def send_file(self, department: str, content: str, covers: str = "") -> None:
        options, headers = {"covers": covers} if covers else {}, {"Content-Type": "text/csv"}
        with suppress(*_AWAY):
            await self.installation.client(department).post(
                "/imports", content=content.encode(), headers=headers, params=options
            )

    async def end_questions(self, department: str, student_id: str) -> None:
        client = self.installation.client(department)
        with suppress(*_AWAY):
            for one in (await client.get("/questions", params={"limit": 100})).json()["questions"]:
                if one["student_id"] == student_id:
                    body = {"question_id": one["question_id"], "reason": "looked into"}
                    await client.post("/questions/end", json=body)

    async def join(self, student_id: str, former: str) -> None:
        body = {"student_id": student_id, "former_number": former}
        with suppress(*_AWAY):
            await self.installation.client(CLEARANCE).put("/former-numbers", json=body)

    async def void(self, student_id: str, form_number: str) -> None:
        body = {"student_id": student_id, "form_number": form_number, "reason": "a wrong name"}
        with suppress(*_AWAY):
            proposed = await self.installation.client(CLEARANCE, FORM_VOID).post(
                "/approvals/propose/void-form", json=body, headers={"Idempotency-Key": str(uuid4())}
            )
            if proposed.status_code == 200:
                number = proposed.json()["proposal_id"]
                await self.installation.client(CLEARANCE, APPROVER).post(f"/approvals/{number}/confirm")

    async def exempt(self, student_id: str, department: str, check: str) -> None:
        await self._decide(NOT_APPLICABLE, student_id, department=department, check=check, until=until())

    async def withdraw_exemption(self, student_id: str, department: str, check: str) -> None:
        await self._decide(WITHDRAW, student_id, department=department, check=check)

    async def _decide(self, action: str, student_id: str, **fields: str) -> None:
        """Proposed by the graduate school, confirmed by another person."""
        body, headers = {"student_id": student_id, "reason": "涉密论文", **fields}, {"Idempotency-Key": f"k-{uuid4()}"}
        with suppress(*_AWAY):
            school, approver = (self.installation.client(CLEARANCE, account) for account in (ROSTER, APPROVER))
            made = await school.post(f"/approvals/propose/{action}", json=body, headers=headers)
            if made.status_code == 200:
                await approver.post(f"/approvals/{made.json()['proposal_id']}/confirm")

    async def repeat_messages(self, student_id: str) -> None:
        """Nothing: the broker is a real one."""

    async def _until_done(self, put: Callable[[], Awaitable[Any]]) -> None:
        """Putting is idempotent: say it until a service that is away is back and has heard it."""
        deadline_s = time.monotonic() + PREPARE_TIMEOUT_S
        while True:
            try:
                await put()
                return
            except _AWAY:
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(0.2)

    async def desk(self, department: str, operation: str, student_id: str, **body: Any) -> Outcome:
        """One change at a desk, noted as it ended. 409 and 423 say that nothing was done."""
        key, began_s = f"k-{uuid4()}", time.monotonic()
        reply: dict[str, Any] = {}
        try:
            answer = await self.installation.client(department).post(
                f"/operations/{operation}", json={"student_id": student_id, **body}, headers={"Idempotency-Key": key}
            )
        except _AWAY:
            outcome = Outcome.UNKNOWN
        else:
            if answer.status_code == 200:
                outcome, reply = Outcome.OK, {"version": answer.json()["status_version"]}
            elif answer.status_code in (409, 422, 423):
                outcome, reply = Outcome.FAILED, {"status": answer.status_code}
            else:
                outcome = Outcome.UNKNOWN
        self.history.add(Kind.DESK, student_id, outcome, began_s=began_s, department=department, key=key, reply=reply)
        return outcome

    async def rest(self, timeout_s: float = REST_TIMEOUT_S) -> bool:
        """Wait until nothing is on its way anywhere; whether that came in time."""
        deadline_s = time.monotonic() + timeout_s
        consumer = AIOKafkaConsumer(**self._kafka.options(), group_id=None)
        await consumer.start()
        try:
            specs = self.installation.topics.specs(self.installation.departments)
            parts = [TopicPartition(spec.name, number) for spec in specs for number in range(spec.partitions)]

            async def ends() -> Ends:
                return {(part.topic, part.partition): end for part, end in (await consumer.end_offsets(parts)).items()}

            while time.monotonic() < deadline_s:
                if await at_rest(self._connect, self.installation.topics, self.installation.departments, ends):
                    return True
                await asyncio.sleep(0.3)
        finally:
            await consumer.stop()
        return False

    async def evidence(self, *, settled: bool) -> Evidence:
        """Read everything: topics first, so that no consumer can stand before what was read."""
        installation = self.installation
        found = [
            record
            for spec in installation.topics.specs(installation.departments)
            for record in await everything(self._kafka, spec.name)
        ]
        return await evidence_of(
            self._connect,
            installation.topics,
            installation.departments,
            found,
            operations=tuple(self.history.operations),
            forged=forged_ids(self.forged),
            settled=settled,
            faulty=self.faulty,
        )

    @asynccontextmanager
    async def _connect(self, service: str) -> AsyncIterator[Connection]:
        yield await self.installation.database(service)

    async def judged(self) -> list[Anomaly]:
        """Heal, come to rest, and look at everything."""
        await self.mend()
        settled = await self.rest()
        return check(await self.evidence(settled=settled))
