"""Every route: who may call it, what is refused, and that no address names a student."""

import re

import pytest

from tests.support.clearance.running import Service, person
from tests.support.nul_requests import requests_with_nul


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


async def test_no_route_takes_a_student_in_its_address(service: Service) -> None:
    paths = (await service.http.get("/openapi.json")).json()["paths"]
    assert "/cases" in paths
    operations = [one for path in paths.values() for one in path.values()]
    named = {each["name"] for one in operations for each in one.get("parameters", ()) if each["in"] != "header"}
    assert named
    assert not any("student" in name for name in named)


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
