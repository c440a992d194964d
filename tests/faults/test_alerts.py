"""Alerts on the running system: each fault that is put in is named, and nothing else is; by `status` too, in words."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.server import Running
from deploy.observability.alerts import ALERTS
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.kafka.topics import Producer
from tests.support.servers.prometheus import Prometheus
from tests.support.status_command import InstallationCommands
from tests.support.waiting import eventually

SOON: Final = {"ServiceDown": 0, "DepartmentSilent": 5, "EventsWaiting": 3, "DeadLetters": 0, "HoldStuck": 5}
"""The alerts that faults are put in for, above what: a test does not wait for minutes."""
NAMED_WITHIN_S: Final = 60


@pytest.fixture(scope="module")
async def watched(
    postgres: Running, broker: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One department and the clearance, which nobody judges: a test leaves what no service would write."""
    installation = Installation(tmp_path_factory.mktemp("watched"), postgres=postgres.address, kafka=broker.address)
    await installation.provision()
    try:
        await installation.start("library", CLEARANCE)
        yield installation
    finally:
        await installation.close()


@pytest.fixture(scope="module")
async def prometheus(watched: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    soon = tuple(replace(alert, above=SOON[alert.name], for_s=0) if alert.name in SOON else alert for alert in ALERTS)
    targets = {name: watched.operator_address(name) for name in ("library", CLEARANCE)}
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), targets, soon).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
async def commands(watched: Installation) -> InstallationCommands:
    """An operator's, who looks at the two services that run. The gateway does not."""
    await watched.migrate(GATEWAY)
    bound = f"{SOON['DepartmentSilent']}"
    return InstallationCommands(watched, ("library", CLEARANCE), LIXIAO_FRESHNESS_BOUND_S=bound)


async def until_named(prometheus: Prometheus, *names: str) -> None:
    async def named() -> bool:
        return set(names) <= await prometheus.firing()

    await eventually(named, what=f"{names} to fire", timeout_s=NAMED_WITHIN_S, poll_s=0.5)


async def until_quiet(prometheus: Prometheus, *names: str) -> None:
    async def quiet() -> bool:
        return not set(names) & await prometheus.firing()

    await eventually(quiet, what=f"{names} to end", timeout_s=NAMED_WITHIN_S, poll_s=0.5)


async def test_a_frozen_department_is_named(
    watched: Installation, prometheus: Prometheus, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent")
    watched.processes["library"].pause()
    try:
        await until_named(prometheus, "ServiceDown", "DepartmentSilent")
        down = await prometheus.series('ALERTS{alertname="ServiceDown", alertstate="firing"}')
        assert [one["metric"]["job"] for one in down] == ["library"]
        said = await commands.run("status")
        assert said.exit_code == 1
        for words in ("library does not answer", "Nothing is heard of library", "docs/runbooks/service-down.md"):
            assert words in said.output
        assert "does not answer in time: its process hangs" in said.output
        assert (await commands.run("status", "--json")).output.startswith("{"), "nothing that is logged is before it"
        traced = await commands.run("trace", typed=f"{student_id}\n")
        assert traced.exit_code == 2
        assert "library" in traced.output
    finally:
        watched.processes["library"].resume()
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent")

    async def well() -> bool:
        return not {"ServiceDown library", "DepartmentSilent library"} & await commands.names()

    await eventually(well, what="status to name the library no more", timeout_s=NAMED_WITHIN_S)


async def test_a_broker_that_is_away_is_named(
    watched: Installation, prometheus: Prometheus, broker: Kafka, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "EventsWaiting")
    broker.pause()
    try:
        await watched.operate("library", "fine", student_id=student_id, fine_id="F-away", amount="1.00")
        await until_named(prometheus, "EventsWaiting")

        async def waiting() -> bool:
            # The alert is provoked sooner than the command names it.
            return bool({"EventsWaiting library", "ServiceDown library"} & await commands.names())

        await eventually(waiting, what="status to say that events wait", timeout_s=NAMED_WITHIN_S)
        traced = (await commands.run("trace", "--json", typed=f"{student_id}\n")).document
        library = next(one for one in traced["steps"] if one["department"] == "library")
        assert (library["finding"], library["published"]["unsent"]) == ("in-outbox", 1)
    finally:
        broker.resume()
    await until_quiet(prometheus, "EventsWaiting")
    await watched.in_step("library", students=[student_id], timeout_s=60)
    traced = await commands.run("trace", typed=f"{student_id}\n", more={"LIXIAO_FRESHNESS_BOUND_S": "600"})
    for words in ("desk.fine changed", "The view has what the department has", ".library.status.v1 / "):
        assert words in traced.output


async def test_a_record_that_nobody_can_read_is_named(
    watched: Installation, prometheus: Prometheus, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    assert "DeadLetters" not in await prometheus.firing()
    async with Producer(watched.kafka) as producer:
        await producer.send(watched.topics.status("library"), student_id.encode(), b"no event", ())
    await until_named(prometheus, "DeadLetters")
    problems = (await commands.run("status", "--json")).document["problems"]
    letters = next(one for one in problems if (one["name"], one["subject"]) == ("DeadLetters", CLEARANCE))
    assert (letters["runbook"], letters["since"] is None) == ("docs/runbooks/dead-letters.md", False)
    assert student_id not in str(problems)


async def test_a_hold_that_does_not_end_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "HoldStuck")
    database = await watched.database("library")
    await database.execute(
        "INSERT INTO hold (attempt_id, student_id, version, placed_at) "
        "VALUES (gen_random_uuid(), $1, 1, clock_timestamp() - interval '30 seconds')",
        student_id,
    )
    await until_named(prometheus, "HoldStuck")
    await database.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await until_quiet(prometheus, "HoldStuck")


async def test_what_has_no_fault_is_not_named(watched: Installation, prometheus: Prometheus) -> None:
    """Whatever was tried before: dead letters and failures of tasks are remembered for ten minutes."""
    remembered = {"DeadLetters", "TaskFailing"}
    await until_quiet(prometheus, *({alert.name for alert in ALERTS} - remembered))
