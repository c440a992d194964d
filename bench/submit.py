"""From the click on submit to the accepted submission, at fixed rates, and how long a hold blocks a desk.

The load is open-loop. The highest rate is the one of acceptances while the queue in front of them grows, or where it
grows in no leg, the highest of the clicks. A last leg clicks half as often. Measured from when a click was due:

- answered: the gateway's HTTP answer has arrived, so the command is stored
- accepted: a reader, woken by NOTIFY (or after 10 ms), has read the submission

For the desk: from the first 423 on a charge to the first other answer; only charges that met a hold count.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from bench.fixtures import Servers, enrol_clear
from bench.harness import Figure, Spread, percentile
from bench.processor import LOAD, spent, used
from deploy.local.devices import Device, devices
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.names import VIEW_CHANNEL

POLL_S: Final = 0.01
ALL_ACCEPTED_WITHIN_S: Final = 120.0
RETRY_EVERY_S: Final = 0.005
WARM_UP: Final = (20.0, 200)
"""(clicks a second, clicks), not counted: before its JIT the broker needs half as much CPU again."""
LEGS: Final = ((1.0, 15), (10.0, 100), (20.0, 200), (30.0, 300), (60.0, 420))
"""(clicks a second, clicks): ten seconds, or as many as a leg of a rate that is too high needs for its queue."""
HALF_FOR_S: Final = 8.0
ENROLLED_AT_ONCE: Final = 8
CHARGES: Final = 30
COLUMNS: Final = f"{'clicks/s':<18}{'clicks':<9}{'answered p50, p99 (ms)':<26}{'accepted p50, p99 (ms)':<26}reached"
IN_STEP_S: Final = 2.0
"""After the last acceptance departments hear of it, too."""
CHARGED_WITHIN_S: Final = 0.15


@dataclass
class Clicks:
    """Times by student, on one clock."""

    due: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    """HTTP status → clicks."""
    processor_s: dict[str, float] = field(default_factory=dict)
    """By process, of the load too; what an idle installation uses included."""

    @property
    def processor_us(self) -> float:
        """A submission, all services and servers."""
        return sum(spent_s for name, spent_s in self.processor_s.items() if name != LOAD) * 1e6 / len(self.due)

    @property
    def waited_s(self) -> list[float]:
        """Of each, until it was accepted."""
        return [self.accepted[student_id] - at for student_id, at in self.due.items()]

    @property
    def accepted_per_s(self) -> float:
        """From the first click to the last acceptance."""
        took_s = max(self.accepted[student_id] for student_id in self.due) - min(self.due.values())
        return len(self.due) / took_s


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    """`rounds` is ignored: a student submits once only."""
    legs = ((20.0, 10),) if quick else LEGS
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        try:
            runner.run(_start(installation))
            yield "click by HTTP, gateway, relay, Kafka, four departments, clearance; seven processes, traces off"
            runner.run(_leg(installation, *((20.0, 5) if quick else WARM_UP)))
            yield COLUMNS
            highest = 0.0
            for per_s, count in legs:
                clicks = runner.run(_leg(installation, per_s, count))
                yield from _lines(per_s, clicks)
                yield Figure(f"a submission at {per_s:g}/s", Spread((clicks.processor_us,)), _reached(clicks))
                highest = max(highest, min(per_s, clicks.accepted_per_s))
            half = highest / 2
            clicks = runner.run(_leg(installation, half, max(5, round(half * (1.0 if quick else HALF_FOR_S)))))
            yield from _lines(half, clicks)
            yield f"at most {highest:.1f} accepted/s; at half of it after {_waited(clicks.waited_s)} ms (p50, p99)"
            at_half = f"{highest:.1f}/s; at half p99 {percentile(clicks.waited_s, 0.99) * 1e3:,.0f} ms"
            p99_ms = percentile(clicks.waited_s, 0.99) * 1e3
            values = {"rate /s": Spread((highest,)), "p99 ms": Spread((p99_ms,))}
            yield Figure("submissions at most", Spread((clicks.processor_us,)), at_half, "60/s, 500 ms", values=values)
            yield runner.run(_held(installation, 5 if quick else CHARGES))
        finally:
            runner.run(installation.close())


def _lines(per_s: float, clicks: Clicks) -> Iterator[str]:
    answered = [at - clicks.due[student_id] for student_id, at in clicks.answered.items()]
    refused = "".join(f", {count} clicks answered {status}" for status, count in clicks.refused.items())
    waited = f"{_waited(answered):<26}{_waited(clicks.waited_s):<26}"
    yield f"{per_s:<18.4g}{len(clicks.due):<9}{waited}{_reached(clicks)}{refused}"
    each = (f"{name} {spent_s * 1e3 / len(clicks.due):.1f}" for name, spent_s in clicks.processor_s.items())
    yield f"    ms of processor each: {clicks.processor_us / 1e3:.1f} without the load: {', '.join(each)}"


def _waited(seconds: list[float]) -> str:
    return f"{percentile(seconds, 0.5) * 1e3:,.0f}, {percentile(seconds, 0.99) * 1e3:,.0f}"


def _reached(clicks: Clicks) -> str:
    return f"{clicks.accepted_per_s:.1f} accepted/s"


async def _start(installation: Installation) -> None:
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, GATEWAY)


async def _students(installation: Installation, count: int) -> list[Device]:
    students = await enrol_clear(installation, count, at_once=ENROLLED_AT_ONCE)
    async with asyncpg.create_pool(_dsn(installation), min_size=1, max_size=4) as pool:
        return await devices(pool, students)


def _dsn(installation: Installation) -> str:
    return installation.service(GATEWAY).environment["LIXIAO_DATABASE"]


async def _leg(installation: Installation, per_s: float, count: int) -> Clicks:
    clicking, clicks = await _students(installation, count), Clicks()
    await asyncio.sleep(IN_STEP_S)
    before = used()
    watching = asyncio.create_task(_watch(installation, clicks))
    start = time.time() + 0.5
    sending = [
        asyncio.create_task(_click(installation, device, start + number / per_s, clicks))
        for number, device in enumerate(clicking)
    ]
    try:
        await asyncio.gather(*sending)
        async with asyncio.timeout(ALL_ACCEPTED_WITHIN_S):
            while not clicks.answered.keys() <= clicks.accepted.keys():
                await asyncio.wait({watching}, timeout=POLL_S)
                if watching.done():
                    watching.result()
        await asyncio.sleep(IN_STEP_S)
        clicks.processor_s = spent(before)
    finally:
        for task in (watching, *sending):
            task.cancel()
        await asyncio.gather(watching, *sending, return_exceptions=True)
        for device in clicking:
            await device.close()
    return clicks


async def _click(installation: Installation, device: Device, at: float, clicks: Clicks) -> None:
    await asyncio.sleep(at - time.time())
    clicks.due[device.student_id] = at
    answer = await device.submit(installation.address(GATEWAY))
    if answer.status_code != 202:
        clicks.refused[answer.status_code] += 1
        clicks.due.pop(device.student_id)
        return
    clicks.answered[device.student_id] = time.time()


_ACCEPTED: Final = "SELECT student_id FROM submission WHERE student_id = ANY($1::text[])"


async def _watch(installation: Installation, clicks: Clicks) -> None:
    connection = await installation.connect(CLEARANCE)
    notified = asyncio.Event()

    def wake(*_: Any) -> None:
        notified.set()

    await connection.add_listener(VIEW_CHANNEL, wake)
    try:
        while True:
            # What is accepted together has one instant, so those that are known are named.
            rows = await connection.fetch(_ACCEPTED, list(clicks.due.keys() - clicks.accepted.keys()))
            now = time.time()
            for row in rows:
                clicks.accepted.setdefault(row["student_id"], now)
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), POLL_S)
            notified.clear()
    finally:
        connection.terminate()


async def _held(installation: Installation, count: int) -> str:
    clicking, rng = await _students(installation, count), random.Random(1)
    waits_s = []
    for device in clicking:
        click = asyncio.create_task(device.submit(installation.address(GATEWAY)))
        await asyncio.sleep(rng.random() * CHARGED_WITHIN_S)
        waited_s = await _charge_through(installation, device.student_id)
        await click
        if waited_s:
            waits_s.append(waited_s)
        await device.close()
    if not waits_s:
        return f"hold (423) to free: none of {count} charges met a hold"
    p50, p99 = percentile(waits_s, 0.5) * 1e3, percentile(waits_s, 0.99) * 1e3
    return f"hold (423) to free: p50 {p50:,.0f} ms, p99 {p99:,.0f} ms ({len(waits_s)} of {count} charges met a hold)"


async def _charge_through(installation: Installation, student_id: str) -> float:
    """Seconds since the first 423, 0 without one."""
    body = {"student_id": student_id, "charge_id": "C-1", "year": "2025", "name": "代收取暖费", "amount": "1.00"}
    client, first_s = installation.client("finance"), 0.0
    while True:
        answer = await client.post("/operations/charge", json=body, headers={"Idempotency-Key": str(uuid4())})
        if answer.status_code != 423:
            assert answer.status_code == 200, answer.text
            return time.time() - first_s if first_s else 0.0
        first_s = first_s or time.time()
        await asyncio.sleep(RETRY_EVERY_S)
