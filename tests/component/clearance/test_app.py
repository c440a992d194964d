"""The clearance as it runs: the graduate school's desk, roster files, operators, health; on the real parts."""

import asyncio
import io
import json
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from deploy.local.servers.server import Running
from schemas.codec import read
from schemas.events import CaseChanged, CaseState, RepublicationAsked, StatusDigest
from services.clearance.app import clearance_app
from services.clearance.settings import ClearanceSettings
from services.kit.http.auth import token_sha256
from services.kit.names import APPROVER, FORGETTING, FORM_VOID, OPERATOR, ROSTER, desk_role
from services.kit.observability import telemetry
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.kafka.topics import everything
from tests.support.nul_requests import requests_with_nul
from tests.support.waiting import eventually

ROLES = {
    "school": [ROSTER],
    "operator": [OPERATOR],
    "library": [desk_role("library")],
    "everything": [ROSTER, OPERATOR, APPROVER, FORM_VOID, FORGETTING],
}
CHINESE = {
    "student_id": "学号",
    "name": "姓名",
    "gender": "性别",
    "college": "学院",
    "major": "专业",
    "grade": "现在年级",
    "enrolled_on": "入学日期",
    "leave_category": "离校类别",
}


class Service:
    """The running service, and the clearance around it."""

    def __init__(self, clearance: ClearanceFixture, http: httpx.AsyncClient) -> None:
        self.clearance, self.http = clearance, http

    async def ask(self, method: str, path: str, *, who: str = "school", **options: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={"Authorization": f"Bearer token-of-{who}"}, **options)

    async def put(self, person: dict[str, str]) -> dict[str, Any]:
        answer = await self.ask("PUT", "/cases", json=person)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def announced(self, student_id: str) -> list[CaseChanged]:
        """What the relay has put on the case topic about a student, in order."""
        found = await everything(self.clearance.kafka, self.clearance.topics.case)
        events = [read(record.value, record.headers) for record in found if record.key == student_id.encode()]
        return [event for event in events if isinstance(event, CaseChanged)]

    async def imported(self, name: str, content: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Send a file, wait for its end: the job, and the results of its rows."""
        answer = await self.ask("POST", "/imports", files={"file": (name, content)})
        assert answer.status_code == 202, answer.text
        job = answer.json()["job_id"]

        async def ended() -> bool:
            state = (await self.ask("GET", f"/imports/{job}")).json()["state"]
            return state in ("finished", "done", "completed")

        await eventually(ended, what="the end of the import")
        rows = (await self.ask("GET", f"/imports/{job}/rows")).json()["rows"]
        return (await self.ask("GET", f"/imports/{job}")).json(), rows


@pytest.fixture
async def service(
    database: str, kafka: Running, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    entries = [
        {"name": name, "token_sha256": token_sha256(f"token-of-{name}"), "roles": roles}
        for name, roles in ROLES.items()
    ]
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps(entries))
    settings = ClearanceSettings(
        kafka=kafka.address,
        database=database,
        namespace=namespace,
        credentials=credentials,
        keys=tmp_path / "keys",
    )
    async with clearance_fixture(database, kafka.address, namespace) as clearance:
        app = clearance_app(settings, traced=telemetry.build("test", exporters=[]))
        async with app.router.lifespan_context(app):
            # The operator's port has the service too.
            transport = httpx.ASGITransport(app.state.operator)
            async with httpx.AsyncClient(transport=transport, base_url="http://clearance") as http:
                yield Service(clearance, http)


def person(**other: str) -> dict[str, str]:
    return {
        "student_id": f"TS{secrets.token_hex(6).upper()}",
        "name": "林知远",
        "gender": "男",
        "college": "信息与控制工程学院",
        "major": "控制科学与工程",
        "grade": "2023级",
        "enrolled_on": "2023-09-01",
        "leave_category": "毕业离校",
        **other,
    }


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


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
async def test_a_roster_file_opens_cases_names_its_bad_rows_and_is_harmless_twice(service: Service, kind: str) -> None:
    people = [person() for _ in range(3)] + [person(leave_category="结业"), person(enrolled_on="soon")]
    content = _file(kind, people)
    _, rows = await service.imported(f"名单.{kind}", content)
    assert [row["state"] for row in rows] == ["applied"] * 4 + ["rejected"]
    assert "enrolled_on" in json.dumps(rows[4])
    assert [await _state(service, who) for who in people] == ["open"] * 3 + ["not-served", None]
    _, rows = await service.imported(f"名单.{kind}", content)
    assert [row["state"] for row in rows] == ["unchanged"] * 4 + ["rejected"]
    assert await service.clearance.pool.fetchval("SELECT count(*) FROM student_case") == 4


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
    assert await _state(service, who) == "open"
    same = await service.ask("PUT", "/cases", json=who, params={"as_of": before.isoformat()})
    assert same.json()["outcome"] == "unchanged"
    old = {**deferred, "as_of": before.isoformat()}
    job, rows = await service.imported("名单.jsonl", json.dumps(old).encode())
    assert ([row["state"] for row in rows], job["outdated"]) == (["outdated"], 1)
    assert await _state(service, who) == "open"
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
    assert await _state(service, taken) is None
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


async def test_only_the_roster_role_writes_cases_and_only_operators_see_dead_letters(service: Service) -> None:
    for who, method, path in (
        ("library", "PUT", "/cases"),
        ("operator", "POST", "/cases/query"),
        ("library", "POST", "/imports"),
        ("school", "GET", "/dead-letters"),
        ("school", "POST", "/dead-letters/1/replay"),
    ):
        assert (await service.ask(method, path, who=who, json=person())).status_code == 403, path
    assert (await service.http.put("/cases", json=person())).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status_code", "named"),
    [
        ("/cases/query", {"student_id": "TS-NOBODY"}, 404, "/student_id"),
        ("/cases/withdraw", {"student_id": "TS-NOBODY"}, 404, "/student_id"),
        ("/cases/query", {"student_id": "' OR 1=1"}, 422, "/student_id"),
        ("/cases/query", {}, 422, "/student_id"),
    ],
)
async def test_a_wrong_request_is_told_the_field_and_the_remedy(
    service: Service, path: str, body: dict[str, str], status_code: int, named: str
) -> None:
    answer = await service.ask("POST", path, json=body)
    assert answer.status_code == status_code
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == named
    assert error["remedy"]
    assert "OR 1=1" not in answer.text


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


async def test_no_route_takes_a_student_in_its_address(service: Service) -> None:
    paths = (await service.http.get("/openapi.json")).json()["paths"]
    assert "/cases" in paths
    operations = [one for path in paths.values() for one in path.values()]
    named = {each["name"] for one in operations for each in one.get("parameters", ()) if each["in"] != "header"}
    assert named
    assert not any("student" in name for name in named)


async def _state(service: Service, who: dict[str, str]) -> str | None:
    answer = await service.ask("POST", "/cases/query", json={"student_id": who["student_id"]})
    return str(answer.json()["state"]) if answer.status_code == 200 else None


def _file(kind: str, people: list[dict[str, str]]) -> bytes:
    if kind == "jsonl":
        return "\n".join(json.dumps(who, ensure_ascii=False) for who in people).encode()
    table = [list(CHINESE.values()), *([who[name] for name in CHINESE] for who in people)]
    if kind == "csv":
        return "\ufeff".encode() + "\r\n".join(",".join(row) for row in table).encode()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in table:
        sheet.append([date.fromisoformat(cell) if cell == "2023-09-01" else cell for cell in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


async def test_a_graduate_schools_own_list_is_previewed_and_then_imported_as_it_is(service: Service) -> None:
    number = f"TS{secrets.token_hex(6).upper()}"
    content = (
        "学号*,学生姓名,性别,培养单位,学科专业,年级,导师姓名,入学日期,离校类别,毕业年份\n"
        f"{number},林知远,男性,信控学院,控制科学,2023级,王五,20230901,毕业离校,2026届\n"
    ).encode()
    seen = (await service.ask("POST", "/imports/preview", files={"file": ("名单.csv", content)})).json()
    (row,) = seen["rows"]
    assert (seen["source"], seen["ignored"], row["state"], row["before"]) == (
        "graduate-system",
        ["导师姓名"],
        "applied",
        {},
    )
    assert {name: row["after"][name] for name in ("state", "enrolled_on", "cohort")} == {
        "state": "open",
        "enrolled_on": "2023-09-01",
        "cohort": "2026",
    }
    assert (await service.ask("POST", "/cases/query", json={"student_id": number})).status_code == 404
    job, _ = await service.imported("名单.csv", content)
    assert (job["source"], job["applied"]) == ("graduate-system", 1)
    assert (await service.ask("POST", "/cases/query", json={"student_id": number})).json()["state"] == "open"


async def test_an_import_says_how_many_cases_it_opened_changed_and_closed_and_which_words_it_does_not_know(
    service: Service,
) -> None:
    def listed(*rows: dict[str, str]) -> bytes:
        lines = [",".join(CHINESE.values()), *(",".join(row[name] for name in CHINESE) for row in rows)]
        return "\n".join(lines).encode()

    words = ("毕业", " 毕业生离校", "毕业离校（春季）", "结业", "延期毕业", "退学")
    people = [person(leave_category=word) for word in words]
    job, _ = await service.imported("first.csv", listed(*people))
    assert job["effects"] == {"opened": 3, "not-served": 3}
    assert job["unrecognised"] == ["延期毕业", "退学"]
    people[0] |= {"name": "林远"}
    people[1] |= {"leave_category": "退学"}
    people[3] |= {"leave_category": "毕业离校"}
    job, _ = await service.imported("second.csv", listed(*people))
    assert job["effects"] == {"opened": 1, "changed": 1, "closed": 1, "unchanged": 1, "not-served": 2}
    assert job["unrecognised"] == ["延期毕业", "退学"]


@pytest.mark.parametrize("character", ["\0", "\u202e"], ids=["NUL", "right to left"])
async def test_a_nul_or_a_bidi_control_in_any_text_is_refused(service: Service, character: str) -> None:
    document = (await service.ask("GET", "/openapi.json")).json()
    for number, request in enumerate(requests_with_nul(document, character)):
        headers = {"Authorization": "Bearer token-of-everything", "Idempotency-Key": f"key-{number:08}"}
        path = re.sub(r"\{\w+_id\}", "1", request.path)
        answer = await service.http.request(request.method, path, json=request.body, headers=headers)
        # A form number with such a character is none.
        refused = answer.status_code == 422 or (request.where == ("form_number",) and answer.status_code == 409)
        assert refused == bool(request.where), f"{request}: {answer.text}"
