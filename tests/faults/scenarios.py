"""Faults on an observed installation, one by one; what came of each is the checker's to judge."""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from deploy.local.servers.kafka import Kafka
from schemas.codec import encode, read
from schemas.events import AttestationGiven, AttestationOutcome
from schemas.flows import CLEARANCE, source_of
from services.kit.signing.keys import PrivateKey
from services.kit.signing.records import RecordSigner
from tests.support.checker.history import Outcome
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import races
from tests.support.kafka.topics import Producer, RawHeaders, everything
from tests.support.waiting import eventually


async def asked(observed: ObservedInstallation, count: int) -> dict[str, str]:
    """Clear students who have just asked: student → command."""
    students = [await observed.student() for _ in range(count)]
    return {student_id: await observed.ask(student_id) for student_id in students}


async def ends(observed: ObservedInstallation, commands: Sequence[str], timeout_s: float = 60) -> list[str]:
    return [await observed.end_of(command_id, timeout_s) for command_id in commands]


async def department_down(observed: ObservedInstallation, name: str, count: int = 6) -> list[str]:
    """The department is away while students ask, and comes back; how their asks ended."""
    students = [await _without(observed, name) for _ in range(count)]
    # A department that hears an ask before the case does not know which list the student is on. The page asks only once
    # every department has spoken; here the clearance is asked directly.
    for department in observed.installation.departments:
        await observed.installation.opened(department, students)
    observed.installation.stop(name)
    commands = [await observed.ask(student_id) for student_id in students]
    assert await ends(observed, commands[:1], 3) == ["asked"], "nobody is accepted without its word"
    await observed.installation.start(name)
    return await ends(observed, commands)


async def _without(observed: ObservedInstallation, away: str) -> str:
    assert away in ("dorm", "finance"), "the others have to be told that a student is clear"
    return await observed.student()


async def department_slow(observed: ObservedInstallation, name: str, still_s: float, count: int = 20) -> None:
    """The department's process stands still in the middle of races."""
    work = asyncio.create_task(races(observed, count, seed=7))
    await asyncio.sleep(1)
    process = observed.installation.processes[name]
    process.pause()
    try:
        await asyncio.sleep(still_s)
    finally:
        process.resume()
    await work


async def repeated_answers(observed: ObservedInstallation) -> list[str]:
    """Every attestation of one round comes again: while the next round of the same student is open, and after it."""
    student_id = await observed.student()
    await observed.charge(student_id, "C-1")
    first = await observed.ask(student_id)
    assert await observed.end_of(first) == "refused"
    await observed.waive(student_id, "C-1")
    observed.installation.processes["dorm"].pause()
    try:
        second = await observed.ask(student_id)
        await _answered(observed, second, 3)
        await _again(observed, first)  # of the older attempt, into the open one
    finally:
        observed.installation.processes["dorm"].resume()
    states = await ends(observed, [first, second])
    await _again(observed, second)
    return states


async def _again(observed: ObservedInstallation, attempt_id: str) -> None:
    installation = observed.installation
    async with Producer(installation.kafka) as producer:
        for name in installation.departments:
            for record in await everything(installation.kafka, installation.topics.attestation(name)):
                event = read(record.value)
                if isinstance(event, AttestationGiven) and str(event.attempt_id) == attempt_id:
                    await producer.send(record.topic, record.key, record.value, record.headers)


async def forged_answers(observed: ObservedInstallation) -> str:
    """While the dormitories are silent about an attempt, others answer in their place; how the attempt stood then."""
    installation = observed.installation
    victim, other = await observed.student(), await observed.student()
    installation.processes["dorm"].pause()
    try:
        command_id = await observed.ask(victim)
        await _answered(observed, command_id, 3)
        theirs = await observed.ask(other)
        await _answered(observed, theirs, 3)
        finance, dorm = installation.topics.attestation("finance"), installation.topics.attestation("dorm")
        for topic, key, student_id, attempt_id, department in (
            (finance, victim, victim, command_id, "dorm"),  # on another department's topic
            (dorm, other, other, command_id, "dorm"),  # by another student
            (dorm, other, victim, command_id, "dorm"),  # under another student's key
            (dorm, victim, victim, str(uuid4()), "dorm"),  # of an attempt that never was
            (dorm, victim, victim, command_id, "graduate-school"),
            (dorm, victim, victim, theirs, "dorm"),  # of another student's attempt
        ):
            await _forge(observed, topic, key, student_id, attempt_id, department, signed_by="dorm")
        for signed_by in ("", "finance"):  # as it should be, but for who wrote it
            await _forge(observed, dorm, victim, victim, command_id, "dorm", signed_by=signed_by)
        await _heard(observed)
        attempts = await installation.database(CLEARANCE)
        state = await attempts.fetchval("SELECT state FROM attempt WHERE attempt_id = $1", UUID(command_id))
    finally:
        installation.processes["dorm"].resume()
    await ends(observed, [command_id, theirs])
    return str(state)


async def _forge(
    observed: ObservedInstallation,
    topic: str,
    key: str,
    student_id: str,
    attempt_id: str,
    department: str,
    *,
    signed_by: str,
) -> None:
    """`signed_by`: with the key of this service, with none if empty."""
    example = next(
        event
        for record in await everything(observed.installation.kafka, observed.installation.topics.attestation("dorm"))
        if isinstance(event := read(record.value), AttestationGiven) and event.outcome is AttestationOutcome.CLEAR
    )
    event = example.model_copy(
        update={"student_id": student_id, "attempt_id": UUID(attempt_id), "department": department}
    )
    value = encode(event, event_id=uuid4(), source=source_of("dorm"), time=datetime.now(UTC))
    observed.forged.append(value)
    headers: RawHeaders = ()
    if signed_by:
        private = PrivateKey(observed.installation.accounts.signing_key(signed_by))
        headers = RecordSigner(private, lambda _: True).headers(topic, key.encode(), value)
    async with Producer(observed.installation.kafka) as producer:
        await producer.send(topic, key.encode(), value, headers)


async def _heard(observed: ObservedInstallation) -> None:
    """Wait until the clearance has read what stands in the attestation topics."""
    installation = observed.installation
    connection = await installation.database(CLEARANCE)
    for name in installation.departments:
        topic = installation.topics.attestation(name)
        ends_at: dict[int, int] = {}
        for record in await everything(installation.kafka, topic):
            ends_at[record.partition] = record.offset + 1

        async def all_read(topic: str = topic, ends_at: dict[int, int] = ends_at) -> bool:
            rows = await connection.fetch("SELECT partition, next_offset FROM consumer_offset WHERE topic = $1", topic)
            at = {row["partition"]: row["next_offset"] for row in rows}
            return all(at.get(partition, 0) >= end for partition, end in ends_at.items())

        await eventually(all_read, what=f"the clearance to read {topic}")


async def _answered(observed: ObservedInstallation, attempt_id: str, count: int) -> None:
    connection = await observed.installation.database(CLEARANCE)

    async def enough() -> bool:
        have = await connection.fetchval("SELECT count(*) FROM answer WHERE attempt_id = $1", UUID(attempt_id))
        return bool(have >= count)

    await eventually(enough, what=f"{count} answers")


async def expiry_against_the_last_answer(observed: ObservedInstallation, life_s: float, count: int = 24) -> list[str]:
    """The last answers come while the attempts' lives end; how the asks ended."""
    observed.faulty = True
    installation = observed.installation
    installation.stop(CLEARANCE)
    observed.installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S=str(life_s))
    await installation.start(CLEARANCE)
    students = [await observed.student() for _ in range(count)]
    await observed.rest()
    finance = installation.processes["finance"]
    finance.pause()
    began_s = time.monotonic()
    commands = []
    for student_id in students:  # opened one after the other, so that their lives end one after the other
        commands.append(await observed.ask(student_id))
        await asyncio.sleep(life_s / count)
    await asyncio.sleep(max(0.0, life_s * 1.1 - (time.monotonic() - began_s)))
    finance.resume()
    states = await ends(observed, commands)
    installation.stop(CLEARANCE)
    observed.installation.configure(CLEARANCE, LIXIAO_ATTEMPT_LIFE_S="600")
    await installation.start(CLEARANCE)
    return states


async def broker_away(observed: ObservedInstallation, broker: Kafka, away_s: float, count: int = 20) -> None:
    """The broker ends in the middle of races and is back after a while."""
    work = asyncio.create_task(races(observed, count, seed=11, at_once=count))
    await asyncio.sleep(1.5)
    broker.kill()
    await asyncio.sleep(away_s)
    await asyncio.to_thread(broker.start)
    await work


async def view_lagging(observed: ObservedInstallation, for_s: float, count: int = 12) -> list[str]:
    """The projector cannot write while debts land and students submit on a view that shows them clear."""
    students = [await observed.student() for _ in range(count)]
    await observed.rest()
    blocker = await observed.installation.connect(CLEARANCE)
    commands = []
    async with blocker.transaction():
        await blocker.execute("SET LOCAL lock_timeout = '20s'")
        await blocker.execute("LOCK TABLE status IN EXCLUSIVE MODE")
        for number, student_id in enumerate(students):
            if number % 2:
                await observed.charge(student_id, "C-1")
            commands.append(await observed.ask(student_id))
        states = await ends(observed, commands, for_s)
        for number, student_id in enumerate(students):
            if not number % 4:
                await observed.charge(student_id, "C-2")
    await blocker.close()
    return states


async def debt_at_each_step(observed: ObservedInstallation) -> dict[str, Outcome | str]:
    """A debt before the hold, between holds, after the last answer and after the acceptance: what the desk was told."""
    installation, told = observed.installation, dict[str, Outcome | str]()
    student_id = await observed.student()
    told["before the hold"] = await observed.charge(student_id, "C-1")
    told["its submission"] = await observed.end_of(await observed.ask(student_id))
    await observed.waive(student_id, "C-1")
    installation.processes["dorm"].pause()
    command_id = await observed.ask(student_id)
    await _answered(observed, command_id, 3)
    told["between holds"] = await observed.charge(student_id, "C-2")
    installation.processes[CLEARANCE].pause()
    installation.processes["dorm"].resume()
    dorm = await installation.database("dorm")

    async def all_hold() -> bool:
        return bool(await dorm.fetchval("SELECT EXISTS (SELECT FROM hold WHERE student_id = $1)", student_id))

    await eventually(all_hold, what="the last answer")
    told["after the last answer"] = await observed.charge(student_id, "C-3")
    installation.processes[CLEARANCE].resume()
    told["the submission"] = await observed.end_of(command_id)
    finance = await installation.database("finance")

    async def free() -> bool:
        return not await finance.fetchval("SELECT EXISTS (SELECT FROM hold WHERE student_id = $1)", student_id)

    await eventually(free, what="the hold to end")
    told["after the acceptance"] = await observed.charge(student_id, "C-4")
    return told


async def a_second_clearance_for(observed: ObservedInstallation, count: int, chance: random.Random) -> None:
    """Races while a second clearance comes and goes: partitions move in the middle of rounds."""
    second = f"{CLEARANCE}:2"
    work = asyncio.create_task(races(observed, count, seed=chance.randrange(10**6)))
    await observed.installation.start(second)
    await asyncio.sleep(1)
    observed.installation.kill(second)
    await work
