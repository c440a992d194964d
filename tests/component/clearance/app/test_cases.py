"""The graduate school's desk: cases and former numbers, one at a time."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta

from schemas.events import CaseState
from tests.support.clearance.running import CHINESE, Service, person, state
from tests.support.waiting import eventually


async def test_a_case_is_opened_once_closed_and_opened_again_with_new_numbers(service: Service) -> None:
    who = person()
    same = {"student_id": who["student_id"]}
    first, again = await service.put(who), await service.put(who)
    assert (first["state"], first["version"], first["outcome"]) == ("open", 1, "applied")
    assert again == {**first, "outcome": "unchanged"}
    renamed = await service.put({**who, "name": "林远"})
    assert (renamed["version"], renamed["outcome"], renamed["student"]["name"]) == (1, "applied", "林远")
    closed = (await service.ask("POST", "/cases/withdraw", json=same)).json()
    assert (closed["state"], closed["version"]) == ("closed", 2)
    assert (await service.ask("POST", "/cases/withdraw", json=same)).json()["outcome"] == "unchanged"
    assert (await service.put(who))["version"] == 3
    expected = [(1, CaseState.OPEN), (2, CaseState.CLOSED), (3, CaseState.OPEN)]

    async def told() -> bool:
        return [(event.version, event.state) for event in await service.announced(who["student_id"])] == expected

    await eventually(told, what="three announcements")
    seen = await service.clearance.pool.fetch(
        "SELECT name, state, enrolled_on FROM published.case_v1 WHERE student_id = $1", who["student_id"]
    )
    assert [tuple(row) for row in seen] == [("林知远", "open", date(2023, 9, 1))]


async def test_the_roster_publishes_the_cohort_and_its_correction_and_no_spelling_of_the_same(service: Service) -> None:
    who = person(cohort="２０２５")
    assert (await service.put(who))["student"]["cohort"] == "2025"
    assert (await service.put({**who, "cohort": " 2025 "}))["outcome"] == "unchanged"
    assert (await service.put({**who, "cohort": "2026"}))["version"] == 2
    expected = [(1, "2025"), (2, "2026")]

    async def told() -> bool:
        return [(event.version, event.cohort) for event in await service.announced(who["student_id"])] == expected

    await eventually(told, what="two announcements")


async def test_a_student_of_another_leave_category_is_not_served(service: Service) -> None:
    who = person(leave_category="结业")
    assert (await service.put(who))["state"] == "not-served"
    assert (await service.put({**who, "leave_category": "毕业离校"}))["state"] == "open"


async def test_putting_one_student_from_many_places_at_once_opens_one_case(service: Service) -> None:
    who = person()
    answers = await asyncio.gather(*(service.put(who) for _ in range(20)))
    assert sorted(answer["outcome"] for answer in answers) == ["applied"] + ["unchanged"] * 19
    posted = await service.clearance.pool.fetchval(
        "SELECT version FROM student_case WHERE student_id = $1", who["student_id"]
    )
    assert posted == 1


async def test_a_newer_word_of_the_roster_is_never_undone_by_an_older_one(service: Service) -> None:
    who = person()
    deferred = {**who, "leave_category": "延期"}
    before = datetime.now(UTC) - timedelta(hours=2)
    await service.put(who)
    for method, path, body in (
        ("PUT", "/cases", deferred),
        ("POST", "/cases/withdraw", {"student_id": who["student_id"]}),
    ):
        answer = await service.ask(method, path, json=body, params={"as_of": before.isoformat()})
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:lixiao:problem:outdated"), answer.text
    assert await state(service, who) == "open"
    same = await service.ask("PUT", "/cases", json=who, params={"as_of": before.isoformat()})
    assert same.json()["outcome"] == "unchanged"
    old = {**deferred, "as_of": before.isoformat()}
    job, rows = await service.imported("名单.jsonl", json.dumps(old).encode())
    assert ([row["state"] for row in rows], job["outdated"]) == (["outdated"], 1)
    assert await state(service, who) == "open"
    future = datetime.now(UTC) + timedelta(hours=1)
    answer = await service.ask("PUT", "/cases", json=deferred, params={"as_of": future.isoformat()})
    assert answer.json()["errors"][0]["field"] == "query as_of"
    assert (await service.put(deferred))["state"] == "not-served"


async def test_a_former_number_is_joined_by_command_or_file_and_removed_by_command(service: Service) -> None:
    who, former, other = person(), person()["student_id"], person()["student_id"]
    body = {"student_id": who["student_id"], "former_number": former}
    unknown = await service.ask("PUT", "/former-numbers", json=body)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:lixiao:problem:unknown-student")
    await service.put(who)
    joined = (await service.ask("PUT", "/former-numbers", json=body)).json()
    assert joined == {"former_numbers": [former], "outcome": "applied"}
    assert (await service.ask("PUT", "/former-numbers", json=body)).json()["outcome"] == "unchanged"
    row = ",".join([*(who[name] for name in CHINESE), other])
    content = "\ufeff" + ",".join([*CHINESE.values(), "曾用学号"]) + "\r\n" + row
    _, rows = await service.imported("名单.csv", content.encode())
    assert [one["state"] for one in rows] == ["applied"]
    same = {"student_id": who["student_id"]}
    asked = (await service.ask("POST", "/former-numbers/query", json=same)).json()
    assert sorted(asked["former_numbers"]) == sorted([former, other])
    taken = person()
    clash = ",".join([*(taken[name] for name in CHINESE), other])
    _, rows = await service.imported("名单二.csv", content.replace(row, clash).encode())
    assert [one["state"] for one in rows] == ["rejected"]
    (problem,) = rows[0]["problems"]
    assert problem["field"] == "former_number"
    assert "another one's former number" in problem["problem"]
    assert "remove it from the other number" in problem["remedy"]
    assert await state(service, taken) is None
    removed = await service.ask("POST", "/former-numbers/remove", json=body)
    assert removed.json()["former_numbers"] == [other]
    assert (await service.ask("POST", "/former-numbers/remove", json=body)).status_code == 409
    acts = await service.clearance.pool.fetch(
        "SELECT act, outcome FROM audit.entry WHERE student_id = $1 AND act LIKE 'roster.%join' ORDER BY entry_id",
        who["student_id"],
    )
    assert [tuple(row) for row in acts] == [
        ("roster.join", "applied"),
        ("roster.join", "unchanged"),
        ("roster.join", "applied"),
        ("roster.unjoin", "applied"),
    ]
    assert (await service.ask("PUT", "/former-numbers", who="library", json=body)).status_code == 403


async def test_a_removed_former_number_is_joined_again_by_a_newer_row_and_by_no_older_one(service: Service) -> None:
    who, former = person(), person()["student_id"]
    listed_at = datetime.now(UTC)
    row = {**who, "former_number": former, "as_of": listed_at.isoformat(timespec="milliseconds")}
    _, rows = await service.imported("first.jsonl", json.dumps(row).encode())
    assert [one["state"] for one in rows] == ["applied"]
    body = {"student_id": who["student_id"], "former_number": former}
    assert (await service.ask("POST", "/former-numbers/remove", json=body)).status_code == 200
    job, rows = await service.imported("again.jsonl", json.dumps({**row, "name": "林知远"}).encode() + b"\n")
    assert ([one["state"] for one in rows], job["outdated"]) == (["outdated"], 1)
    same = {"student_id": who["student_id"]}
    assert (await service.ask("POST", "/former-numbers/query", json=same)).json()["former_numbers"] == []
    newer = {**row, "as_of": datetime.now(UTC).isoformat(timespec="milliseconds")}
    _, rows = await service.imported("newer.jsonl", json.dumps(newer).encode())
    assert [one["state"] for one in rows] == ["applied"]
    assert (await service.ask("POST", "/former-numbers/query", json=same)).json()["former_numbers"] == [former]
