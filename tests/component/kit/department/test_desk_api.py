"""A desk over HTTP: what a refusal, a hold and a reused key are answered with, on the routes of a real department."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deploy.local.installation import new_student_id
from services.kit.audit import log
from services.kit.department.api.desk_routes import desk_router
from services.kit.department.api.evidence_routes import evidence_router
from services.kit.department.api.holder_routes import holder_router
from services.kit.department.api.note_routes import notes_router
from services.kit.department.api.staff_routes import staff_router
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.desk import Desk
from services.kit.department.examples import load_examples
from services.kit.http.access.acting_for import ACTING_FOR, ACTING_FROM, acting_for
from services.kit.http.app import create_app
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.outbox import Wakeup
from services.kit.names import STAFF_PAGES, desk_role
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.departments.desks import desk_over, open_case
from tests.support.nul_requests import requests_with_nul

TOKEN = "t" * 40
STAFF_TOKEN = "s" * 40
CHARGE = {"charge_id": "C1", "year": "2026", "name": "学费", "amount": "10.00"}


@asynccontextmanager
async def desk_client(
    database: str, department: str, *, covered: bool = True, **settings: bool
) -> AsyncIterator[tuple[Desk[Any], httpx.AsyncClient]]:
    async with desk_over(database, department, covered=covered) as desk:
        manifest, examples = discover()[department], load_examples(SERVICES / department)
        app = create_app(
            title=department,
            version="1",
            description="",
            health=Health(),
            lifespan=None,
            routers=[
                desk_router(desk, manifest, examples, **settings),
                holder_router(desk, manifest, examples),
                staff_router(desk, manifest),
                notes_router(desk, manifest),
                evidence_router(EvidenceActs(desk, Wakeup()), desk),
            ],
            telemetry=None,
        )
        app.state.credentials = credentials(
            desk=(TOKEN, [desk_role(department)]), staff=(STAFF_TOKEN, [desk_role(department), STAFF_PAGES])
        )
        transport = httpx.ASGITransport(app.state.operator)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example", headers=headers) as client:
            yield desk, client


async def operate(
    client: httpx.AsyncClient, operation: str, student_id: str, key: str = "key-00000001", **body: str
) -> httpx.Response:
    return await client.post(
        f"/operations/{operation}", json={"student_id": student_id, **body}, headers={"Idempotency-Key": key}
    )


async def test_a_refusal_says_its_reason_at_the_top_of_the_document_and_in_both_languages(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        student_id = new_student_id()
        assert (await operate(client, "charge", student_id, **CHARGE)).status_code == 200
        answer = await operate(client, "payment", student_id, "key-00000002", charge_id="C1", amount="10.01")
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        words = (
            "This is more than is due. Check it: 10.00 yuan is due on this item. "
            "If more is meant, send it again with overpayment allowed."
        )
        remedy = (
            "最多 10.00 元；如金额无误，请注明 allow_overpayment: true 后再提交。 "
            "At most 10.00. If the amount is right, send it again with allow_overpayment: true."
        )
        assert answer.json() == {
            "type": "urn:lixiao:problem:refused",
            "title": "The department's rules do not allow this",
            "status": 409,
            "detail": words,
            "errors": [{"field": "amount", "problem": words, "remedy": remedy}],
            "reason": {"code": "overpayment", "parameters": {"due": "10.00"}},
            "detail_zh": "超过应缴金额；请核对，此项最多还需缴 10.00 元。如确系多缴，请注明允许多缴后再提交。",
        }


async def test_a_whole_record_may_lower_a_charge_to_zero_and_say_what_was_overpaid(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id = new_student_id()
        assert (await operate(client, "charge", student_id, **CHARGE)).status_code == 200
        charge = {**CHARGE, "student_id": student_id, "amount": "0.00", "paid": "2.50"}
        answer = await client.put(
            "/records",
            json={"student_id": student_id, "record": {"charges": [charge]}},
            headers={"Idempotency-Key": "key-00000002"},
        )
        assert answer.status_code == 200, answer.text
        (check,) = desk.rules.assess((await desk.read(student_id)).record).checks
        assert (check.verdict, check.facts["overpaid"]) == ("clear", "2.50")


async def test_a_change_against_a_hold_is_answered_with_when_to_try_again(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id = new_student_id()
        await open_case(desk, student_id)
        await desk.pool.execute(
            "INSERT INTO hold (attempt_id, student_id, version, placed_at) VALUES (gen_random_uuid(), $1, 1, now())",
            student_id,
        )
        answer = await operate(client, "charge", student_id, **CHARGE)
        assert (answer.status_code, answer.headers["retry-after"]) == (423, "1")
        assert answer.json()["type"] == "urn:lixiao:problem:held"


async def test_a_key_used_for_another_body_is_named_as_the_wrong_field(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        student_id = new_student_id()
        first = await operate(client, "charge", student_id, **CHARGE)
        again = await operate(client, "charge", student_id, **CHARGE)
        assert again.json() == {**first.json(), "repeated": True}
        other = await operate(client, "charge", student_id, **{**CHARGE, "amount": "11.00"})
        assert other.status_code == 422
        (error,) = other.json()["errors"]
        assert error["field"] == "header Idempotency-Key"


async def test_the_examples_of_a_department_are_in_its_document(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        paths = (await client.get("/openapi.json")).json()["paths"]
        body = paths["/operations/charge"]["post"]["requestBody"]["content"]["application/json"]
        assert body["examples"]["1"]["value"]["charge_id"] == "C-2019-07"
        replacement = paths["/records"]["put"]["requestBody"]["content"]["application/json"]
        assert replacement["examples"]["1"]["value"].keys() == {"student_id", "record"}


@pytest.mark.parametrize("character", ["\0", "\u202e"], ids=["NUL", "right to left"])
@pytest.mark.parametrize("department", discover())
async def test_a_nul_or_a_bidi_control_in_any_text_is_refused(database: str, department: str, character: str) -> None:
    async with desk_client(database, department) as (_, client):
        document = (await client.get("/openapi.json")).json()
        for number, request in enumerate(requests_with_nul(document, character)):
            headers = {"Idempotency-Key": f"key-{number:08}"}
            answer = await client.request(request.method, request.path, json=request.body, headers=headers)
            assert (answer.status_code == 422) == bool(request.where), f"{request}: {answer.text}"


async def test_the_history_of_a_student_names_the_person_and_ends_where_the_student_was_forgotten(
    database: str,
) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id, other = new_student_id(), new_student_id()
        for number in (student_id, other):
            answer = await client.post(
                "/operations/charge",
                json={"student_id": number, **CHARGE},
                headers={
                    "Idempotency-Key": f"key-{number}",
                    "Authorization": f"Bearer {STAFF_TOKEN}",
                    **acting_for("方石 (staff-1)"),
                },
            )
            assert answer.status_code == 200, answer.text
        await operate(client, "payment", student_id, "key-00000002", charge_id="C1", amount="10.01")
        answer = await client.post("/records/history", json={"student_id": student_id})
        entries = [(one["actor"], one["act"], one["outcome"]) for one in answer.json()["entries"]]
        assert entries == [
            ("desk", "desk.payment", "refused"),
            ("staff: 方石 (staff-1)", "desk.charge", "changed"),
        ]
        assert answer.json()["entries"][0]["details"] == {"reason": "overpayment", "address": "127.0.0.1"}
        async with desk.pool.acquire() as connection, connection.transaction():
            await log.append_entry(
                connection, actor="system", act="forget", outcome=log.FORGOTTEN, student_id=student_id
            )
        answer = await client.post("/records/history", json={"student_id": student_id})
        assert answer.json() == {"entries": []}


async def test_who_looks_at_a_record_is_audited_with_the_persons_address_and_not_shown_as_an_act(
    database: str,
) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id = new_student_id()
        staff = {"Authorization": f"Bearer {STAFF_TOKEN}", **acting_for("方石 (staff-1)", "203.0.113.9")}
        forged = {**staff, ACTING_FROM: "not an address"}
        for headers in (staff, forged, {}):
            await client.post("/records/query", json={"student_id": student_id}, headers=headers)
        answer = await client.post("/records/history", json={"student_id": student_id})
        assert answer.json() == {"entries": []}
        rows = await desk.pool.fetch(
            "SELECT actor, act, outcome, details::json ->> 'address' AS address FROM audit.entry"
            " WHERE student_id = $1 ORDER BY entry_id",
            student_id,
        )
        assert [tuple(row) for row in rows] == [
            ("staff: 方石 (staff-1)", "record.query", "read", "203.0.113.9"),
            ("staff: 方石 (staff-1)", "record.query", "read", "127.0.0.1"),
            ("desk", "record.query", "read", "127.0.0.1"),
            ("desk", "record.history", "read", "127.0.0.1"),
        ]


async def test_only_the_staff_pages_may_act_for_a_person(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        query = {"student_id": new_student_id()}
        answer = await client.post("/records/query", json=query, headers=acting_for("方石"))
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:lixiao:problem:forbidden")
        staff = {"Authorization": f"Bearer {STAFF_TOKEN}"}
        for nobody in ("", "%FF", "%00", "x" * 301):
            answer = await client.post("/records/query", json=query, headers={**staff, ACTING_FOR: nobody})
            assert answer.status_code == 422, nobody


async def test_every_operation_is_listed_with_the_schema_of_its_fields(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        listed = {one["name"]: one for one in (await client.get("/operations")).json()}
        rules = desk.rules
        names = [one.name for one in rules.operations] + [one.name for one in rules.holder_operations]
        assert list(listed) == names
        assert set(listed["loan"]["body"]["properties"]) == {"student_id", "barcode", "title", "due_on"}
        assert [name for name, one in listed.items() if one["of_item"]] == ["return-by-barcode"]


async def test_a_repeated_member_of_a_body_is_refused_wherever_it_is(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        one, other = new_student_id(), new_student_id()
        charge = '"charge_id": "C1", "name": "fee", "amount": "10.00"'
        bodies = {
            "/operations/charge": f'{{"student_id": "{one}", "student_id": "{other}", {charge}}}',
            "/records/query": f'{{"student_id": "{one}", "student\\u005fid": "{other}"}}',
        }
        for path, body in bodies.items():
            for media_type in ("application/json", "application/json; charset=utf-8", "application/merge-patch+json"):
                headers = {"Content-Type": media_type, "Idempotency-Key": "key-00000001"}
                answer = await client.post(path, content=body, headers=headers)
                assert answer.status_code == 400, answer.text
                assert answer.json()["type"] == "urn:lixiao:problem:repeated-member"
        nested = f'{{"student_id": "{one}", "record": {{"charges": [], "charges": []}}}}'
        answer = await client.put("/records", content=nested, headers={"Content-Type": "application/json"})
        assert answer.json()["type"] == "urn:lixiao:problem:repeated-member"
        assert await desk.pool.fetchval("SELECT count(*) FROM record") == 0
