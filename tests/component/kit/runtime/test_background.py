"""A service as a process: its background tasks, and how it ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from deploy.local.http_clients import local_client
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.waiting import eventually

QUICK = {"first_delay_s": 0.01, "max_delay_s": 0.04, "settled_s": 0.05, "stop_timeout_s": 0.2}


async def wrong(health: Health, name: str) -> str | None:
    return (await health.ready()).checks[name]


async def test_a_task_runs_while_the_block_lasts_and_ends_with_it() -> None:
    health, seen = Health(), []

    async def run() -> None:
        seen.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    async with background("relay", run, health):
        await eventually(lambda: seen == ["began"], what="the task")
        assert await wrong(health, "relay") is None
    assert seen == ["began", "ended"]
    assert (await health.ready()).checks == {}


async def test_a_task_goes_on_when_somebody_else_cancels_what_it_waits_for() -> None:
    health, waiting = Health(), list[asyncio.Future[None]]()

    async def run() -> None:
        waiting.append(asyncio.get_running_loop().create_future())
        await waiting[-1]

    async with background("consumer", run, health, **QUICK):
        await eventually(lambda: len(waiting) == 1, what="the first start", poll_s=0.01)
        waiting[0].cancel()
        await eventually(lambda: len(waiting) == 2, what="the second start", poll_s=0.01)
        assert await wrong(health, "consumer") == "CancelledError"
    assert waiting[-1].cancelled()


async def test_tasks_end_in_the_reverse_order_of_their_start() -> None:
    ended: list[str] = []

    def task(name: str) -> Callable[[], asyncio.Future[None]]:
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.01)
                ended.append(name)

        return lambda: asyncio.ensure_future(run())

    health = Health()
    async with background("database", task("database"), health), background("relay", task("relay"), health):
        await asyncio.sleep(0.01)
    assert ended == ["relay", "database"]


async def test_a_task_that_fails_is_started_again_and_the_service_is_not_ready_until_it_has_settled() -> None:
    health, runs, failing = Health(), 0, True

    async def run() -> None:
        nonlocal runs
        runs += 1
        if failing:
            raise ValueError("row of TS20260001")
        await asyncio.Event().wait()

    async def says(answer: str | None) -> bool:
        return await wrong(health, "relay") == answer

    async with background("relay", run, health, **QUICK):
        await eventually(lambda: runs >= 3, what="the task to be started again")
        assert await says("ValueError")
        failing = False
        await eventually(lambda: says(None), what="the task to settle")
        settled = runs
        assert await says(None)
    assert runs == settled


async def test_a_task_that_returns_is_started_again_too() -> None:
    health, runs = Health(), 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    async with background("relay", run, health, **QUICK):
        await eventually(lambda: runs >= 3, what="the task to be started again")
        assert await wrong(health, "relay") == "returned"


async def test_a_task_that_will_not_end_is_left_behind_after_the_bound() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(5):
        async with background("relay", stubborn, Health(), **QUICK):
            await asyncio.sleep(0.01)
    released.set()


async def test_a_task_that_swallows_its_cancellation_is_not_started_again() -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with background("relay", run, Health(), **QUICK):
        await eventually(lambda: runs == 1, what="the task")
    await asyncio.sleep(0.05)
    assert runs == 1


PROCESS = """
import asyncio, sys
from contextlib import asynccontextmanager
from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from services.kit.http.app import create_app
from services.kit.http.serving.server import before_drain, serve
from services.kit.observability.telemetry import start
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from services.kit.settings import load, Settings

settings, health, router, stopping = load(Settings), Health(), APIRouter(), asyncio.Event()

@router.get("/slow")
async def slow() -> str:
    print("slow begins", flush=True)
    await asyncio.sleep(0.5)
    return "whole"

@router.get("/live", response_class=EventSourceResponse)
async def live():
    yield ServerSentEvent(event="first", data={})
    await stopping.wait()
    yield ServerSentEvent(event="last", data={})

async def run() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        print("task ends", flush=True)

@asynccontextmanager
async def lifespan(app):
    async with background("task", run, health):
        yield
    print("lifespan ends", flush=True)

app = create_app(title="Library", version="1", description="", health=health, lifespan=lifespan, routers=[router],
                 telemetry=start("library", settings=settings))
before_drain(app, stopping.set)
stop = type(app.state.telemetry).stop
type(app.state.telemetry).stop = lambda self: print("flushed", stop(self), flush=True)
serve(app, settings)
"""


@asynccontextmanager
async def process(port: int) -> AsyncIterator[subprocess.Popen[str]]:
    environment = {
        "PATH": os.environ["PATH"],
        "LIXIAO_KAFKA": "127.0.0.1:9",
        "LIXIAO_DATABASE": "postgresql://nobody@127.0.0.1/none",
        "LIXIAO_HTTP_PORT": str(port),
    }
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


async def until_ready(client: httpx.AsyncClient) -> None:
    async def ready() -> bool:
        try:
            return (await client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(ready, what="the service to be ready", timeout_s=30)


async def test_a_terminated_service_answers_what_it_began_then_ends_its_tasks_and_its_telemetry(
    unused_tcp_port: int,
) -> None:
    async with (
        process(unused_tcp_port) as running,
        local_client(f"http://127.0.0.1:{unused_tcp_port}") as client,
    ):
        assert running.stdout is not None
        await until_ready(client)
        assert "server" not in (await client.get("/nowhere")).headers
        answer = asyncio.create_task(client.get("/slow"))
        while await asyncio.to_thread(running.stdout.readline) != "slow begins\n":
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert (await answer).json() == "whole"
        rest, _ = await asyncio.to_thread(running.communicate, timeout=30)
        said = [line for line in rest.splitlines() if not line.startswith("{")]
        assert said == ["task ends", "lifespan ends", "flushed True"]
        assert running.returncode == 0


async def test_a_terminated_service_ends_its_open_streams_and_counts_no_error(unused_tcp_port: int) -> None:
    async with (
        process(unused_tcp_port) as running,
        local_client(f"http://127.0.0.1:{unused_tcp_port}") as client,
    ):
        await until_ready(client)
        async with client.stream("GET", "/live") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "event: first"
            running.send_signal(signal.SIGTERM)
            assert "event: last" in [line async for line in lines]
        printed, _ = await asyncio.to_thread(running.communicate, timeout=30)
        assert running.returncode == 0
        assert "error" not in printed


async def test_a_service_whose_port_is_taken_ends_with_an_error(unused_tcp_port: int) -> None:
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        async with process(unused_tcp_port) as running:
            said, _ = await asyncio.to_thread(running.communicate, timeout=30)
            assert running.returncode != 0
            assert "address already in use" in said
            assert "lifespan ends" in said
