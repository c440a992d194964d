"""Alerts on the running system: each fault that is put in is named, and nothing else is; by `status` too, in words."""

from deploy.local.installation import Installation
from deploy.local.servers.kafka import Kafka
from schemas.flows import CLEARANCE
from tests.faults.alerts.watching import NAMED_WITHIN_S, until_named, until_nothing_is_named, until_quiet
from tests.support.kafka.topics import Producer
from tests.support.servers.prometheus import Prometheus
from tests.support.status_command import InstallationCommands
from tests.support.waiting import eventually


async def test_a_frozen_department_is_named(
    watched: Installation, prometheus: Prometheus, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")
    watched.processes["library"].pause()
    try:
        await until_named(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")
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
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")

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
    await until_nothing_is_named(prometheus)
