"""What operators see: dead letters, findings of the reconciliation, health."""

from datetime import UTC, datetime
from typing import Any

from schemas.codec import read
from schemas.events import RepublicationAsked, StatusDigest
from tests.support.clearance.fixture import status
from tests.support.clearance.running import Service, person
from tests.support.kafka.topics import everything
from tests.support.waiting import eventually


async def test_an_operator_sees_a_dead_letter_and_puts_it_away(service: Service) -> None:
    who = person()["student_id"]
    await service.clearance.publish(status(who, 1))
    await service.clearance.poison(who, b"{")

    async def hidden() -> bool:
        row = await service.clearance.row(who)
        return row is not None and not row["readable"]

    await eventually(hidden, what="the mark")
    listed = await service.ask("GET", "/dead-letters", who="operator")
    (letter,) = listed.json()["dead_letters"]
    assert who not in listed.text
    assert (letter["topic"], letter["bytes"]) == (service.clearance.topics.status("library"), 1)
    shown = (await service.ask("GET", f"/dead-letters/{letter['id']}", who="operator")).json()
    assert (shown["key"], shown["value"]) == (who, "{")
    again = await service.ask("POST", f"/dead-letters/{letter['id']}/replay", who="operator")
    assert (again.status_code, again.json()["type"]) == (409, "urn:lixiao:problem:still-unreadable")
    path = f"/dead-letters/{letter['id']}/discard"
    assert (await service.ask("POST", path, who="operator", json={"why": ""})).status_code == 422
    assert (await service.ask("POST", path, who="operator", json={"why": "a broken sender"})).status_code == 204
    assert (await service.ask("POST", path, who="operator", json={"why": "again"})).status_code == 409
    row = await service.clearance.row(who)
    assert row is not None
    assert row["readable"]
    (ended,) = (await service.ask("GET", "/dead-letters?state=ended", who="operator")).json()["dead_letters"]
    assert (ended["ended_by"], ended["ended_why"]) == ("operator", "a broken sender")


async def test_an_operator_sees_what_differs_from_a_department_and_the_department_is_asked(service: Service) -> None:
    digest = StatusDigest.of(7, 1)
    for _ in range(2):
        await service.clearance.publish_alive_mark("dorm", datetime.now(UTC), digest)

        async def compared() -> bool:
            return len((await service.ask("GET", "/reconciliation", who="operator")).json()) == 6

        await eventually(compared, what="every partition to be compared")

    async def found() -> bool:
        page = (await service.ask("GET", "/reconciliation/findings", who="operator")).json()
        return len(page["findings"]) == 6 and all(finding["asked"] for finding in page["findings"])

    await eventually(found, what="six findings", timeout_s=30)
    path = "/reconciliation/findings?limit=4"
    page = (await service.ask("GET", path, who="operator")).json()
    rest = (await service.ask("GET", f"{path}&before={page['next_before']}", who="operator")).json()
    findings = page["findings"] + rest["findings"]
    assert sorted(finding["partition"] for finding in findings) == list(range(6))
    assert {(finding["published"], finding["viewed"], finding["students"]) for finding in findings} == {(7, 0, None)}
    assert rest["next_before"] is None
    warnings = (await service.http.get("/health/ready")).json()["warnings"]
    assert "dorm [0]: 7 published, 0 in the view" in warnings["reconciliation"]
    asked = [read(record.value) for record in await requests(service)]
    assert {
        (event.department, event.partition, event.reason) for event in asked if isinstance(event, RepublicationAsked)
    } == {("dorm", number, "digest-differs") for number in range(6)}
    await service.clearance.publish_alive_mark("dorm", datetime.now(UTC), StatusDigest.of(0, 0))

    async def healed() -> bool:
        page = (await service.ask("GET", "/reconciliation/findings?state=healed", who="operator")).json()
        return len(page["findings"]) == 6 and all(finding["students"] == [] for finding in page["findings"])

    await eventually(healed, what="six findings to be healed")
    assert (await service.ask("GET", "/reconciliation/findings", who="school")).status_code == 403


async def requests(service: Service) -> list[Any]:
    """To publish again, as the relay has sent them."""
    topic = service.clearance.topics.republication
    found: list[Any] = []

    async def sent() -> bool:
        found[:] = await everything(service.clearance.kafka, topic)
        return len(found) == 6

    await eventually(sent, what="six requests")
    return found


async def test_health_is_told_by_name_and_metrics_by_department(service: Service) -> None:
    async def ready() -> bool:
        return (await service.http.get("/health/ready")).status_code == 200

    await eventually(ready, what="readiness")
    checks = (await service.http.get("/health/ready")).json()["checks"]
    assert {"database", "relay", "projector consumer", "submissions consumer", "imports", "freshness"} <= checks.keys()
    assert (await service.http.get("/health/live")).status_code == 200
