"""Every error is a problem document that shows nothing of what was sent."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.component.kit.http.application import SECRET, application, client_of, problem_of


async def test_a_problem_says_what_it_was_given(client: httpx.AsyncClient) -> None:
    answer = await client.get("/problem")
    document = problem_of(answer, 409)
    assert document["type"] == "urn:lixiao:problem:refused"
    assert document["detail"] == "Return the books first."
    assert document["reason"] == {"code": "books-out"}
    assert document["errors"] == [{"field": "/copies", "problem": "3 are out", "remedy": "Return them."}]
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "field", "remedy"),
    [
        ({"copies": 1}, "/student_id", "Add this field."),
        ({"student_id": f"!{SECRET}"}, "/student_id", "Send a value that should match pattern"),
        ({"student_id": "TS20260001", "copies": SECRET}, "/copies", "Send a valid integer"),
        ({"student_id": "TS20260001", "kind": SECRET}, "/kind", "Send one of: 'book' or 'journal'."),
        ({"student_id": "TS20260001", "shelf": SECRET}, "/shelf", "Remove this field"),
        ({"student_id": "TS20260001", f"王 {SECRET}": 1}, "/…", "Remove this field"),
        ({"student_id": "TS20260001", "note": SECRET * 9}, "/note", "Correct the value"),
        ([SECRET], "", "Send a valid dictionary"),
        (None, "", "Send the JSON that /openapi.json describes."),
    ],
)
async def test_a_wrong_field_is_named_with_a_remedy_and_without_what_was_sent(
    client: httpx.AsyncClient, body: Any, field: str, remedy: str
) -> None:
    answer = await client.post("/loans", json=body, headers={"Idempotency-Key": "k"})
    (error,) = problem_of(answer, 422)["errors"]
    assert error["field"] == field
    assert error["remedy"].startswith(remedy)
    assert SECRET not in answer.text


async def test_a_missing_header_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/loans", json={"student_id": "TS20260001"})
    (error,) = problem_of(answer, 422)["errors"]
    assert error == {"field": "header Idempotency-Key", "problem": "Field required", "remedy": "Add this field."}


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "nothing"])
async def test_a_body_of_another_media_type_is_answered_with_the_header_to_send(
    client: httpx.AsyncClient, media_type: str
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": media_type}
    answer = await client.post("/loans", content=b'{"student_id": "TS20260001"}', headers=headers)
    (error,) = problem_of(answer, 422)["errors"]
    assert error["field"] == "header Content-Type"
    assert "application/json" in error["remedy"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a":' * 100_000, b"", b'{"student_id": "\\ud800"}', b"NaN"])
async def test_a_body_that_is_no_json_is_refused_and_never_a_500(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await client.post("/loans", content=body, headers=headers)
    problem_of(answer, answer.status_code)
    assert answer.status_code in (400, 422)


async def test_a_body_beyond_the_limit_is_refused_as_a_problem(tmp_path: Path) -> None:
    async with client_of(application(tmp_path, max_body_bytes=1000)) as client:
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        answer = await client.post("/loans", content=b" " * 1001, headers=headers)
        assert problem_of(answer, 413)["type"] == "urn:lixiao:problem:too-large"
        assert answer.headers["x-content-type-options"] == "nosniff"

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b" " * 100

        problem_of(await client.post("/loans", content=parts(), headers=headers), 413)


@pytest.mark.parametrize("charset", ["punycode", '"undefined"', "utf-7", "UTF-16"])
async def test_a_form_in_another_charset_is_refused_before_anything_decodes_it(
    client: httpx.AsyncClient, charset: str
) -> None:
    """Python has codecs that take a minute for a megabyte, that make lone surrogates, and one that only fails."""
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n'
    headers = {"Idempotency-Key": "k", "Content-Type": f"Multipart/Form-Data; boundary=b; CharSet={charset}"}
    problem_of(await client.post("/loans", content=form, headers=headers), 415)
    headers["Content-Type"] = "multipart/form-data; charset=UTF-8; boundary=b"
    problem_of(await client.post("/loans", content=form, headers=headers), 422)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", f"/{SECRET}", 404), ("TRACE", "/loans", 405), ("GET", "/teapot", 418)]
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    problem_of(answer, status)
    assert SECRET not in answer.text


async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient) -> None:
    assert (await client.get("/loans")).headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/database-away", "/network-away"])
async def test_a_part_that_is_away_is_said_with_when_to_try_again(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert problem_of(answer, 503)["type"] == "urn:lixiao:problem:unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_text_the_database_cannot_store_is_the_clients_to_correct(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/text"), 422)


async def test_a_mistake_of_ours_is_a_500_that_shows_nothing_of_it(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    answer = await client.get("/mistake")
    assert problem_of(answer, 500).keys() == {"type", "title", "status"}
    assert SECRET not in answer.text
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert (line["event"], line["level"], line["route"], line["error"]) == (
        "request.failed",
        "error",
        "/mistake",
        "RuntimeError",
    )


async def test_an_answer_that_breaks_off_is_logged_and_left_to_the_server_to_cut_off(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        await client.get("/broken-off")
    assert json.loads(lines.getvalue().splitlines()[-1])["route"] == "/broken-off"
