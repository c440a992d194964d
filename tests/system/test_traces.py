"""One change as one trace across the services, and nothing in traces, logs, metrics or addresses that names anybody."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import Events, sign_in
from tests.support.kafka.topics import Producer
from tests.support.observability.otlp import Otlp, attributes
from tests.support.observability.spans import Span, ancestors, found_by, raw, service_of, trace
from tests.support.waiting import eventually
from tests.system.test_poison import JSON_HEADERS
from tests.system.test_walk import PAGE_POLL_S, checks


@pytest.fixture
def collector(installation: Installation) -> str:
    assert installation.zipkin is not None
    return installation.zipkin


async def spans_until(collector: str, trace_id: str, *names: str) -> list[Span]:
    """The spans of a trace, once those of these names are among them: each service sends its own every few seconds."""
    found: list[Span] = []

    async def there() -> bool:
        found[:] = await trace(collector, trace_id)
        return set(names) <= {span["name"] for span in found}

    await eventually(there, what=f"the spans {names} at the collector", timeout_s=30, poll_s=0.5)
    return found


async def test_a_desks_request_is_one_trace_up_to_the_views_commit(installation: Installation, collector: str) -> None:
    student_id = await installation.enrol()
    await installation.opened("finance", [student_id])
    trace_id = secrets.token_hex(16)
    answer = await installation.client("finance").post(
        "/operations/charge",
        json={"student_id": student_id, "charge_id": "C-9", "year": "2025", "name": "学费", "amount": "1.00"},
        headers={"Idempotency-Key": secrets.token_hex(8), "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["traceresponse"].split("-")[1] == trace_id
    topic = installation.topics.status("finance")
    spans = await spans_until(collector, trace_id, f"process {topic}", f"send {topic}", "post /operations/charge")

    (processed,) = [span for span in spans if span["name"] == f"process {topic}"]
    sent, requested, *_ = [span for span in ancestors(spans, processed) if span.get("kind") in ("PRODUCER", "SERVER")]
    assert [service_of(span) for span in (requested, sent, processed)] == [
        "lixiao-finance",
        "lixiao-finance",
        "lixiao-clearance",
    ]
    assert [span["kind"] for span in (requested, sent, processed)] == ["SERVER", "PRODUCER", "CONSUMER"]
    assert requested["name"] == "post /operations/charge"
    assert sent["name"] == f"send {topic}"
    assert processed["parentId"] == sent["id"]
    written = [span for span in spans if "INSERT INTO outbox" in span.get("tags", {}).get("db.statement", "")]
    statements = [span for span in written if service_of(span) == "lixiao-finance"]
    assert any(requested in ancestors(spans, span) for span in statements), "its statements are in it, the outbox's too"
    ended = processed["timestamp"] + processed["duration"]
    heard_at = await (await installation.database(CLEARANCE)).fetchval(
        "SELECT extract(epoch FROM heard_at) FROM status WHERE student_id = $1 AND department = 'finance'", student_id
    )
    assert ended >= float(heard_at) * 1_000_000, "it ends with the commit, not before"
    logged = [line for line in installation.logs()["finance"].splitlines() if trace_id in line]
    assert all('"span_id"' in line for line in logged)


async def test_a_desks_request_is_one_trace_up_to_the_open_page_found_by_the_key_that_staff_get_from_the_number(
    installation: Installation, collector: str, otlp: Otlp
) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id)
    await installation.opened("library", [student_id])
    await installation.in_step("library", students=[student_id])
    printed = await asyncio.to_thread(installation.command, GATEWAY, "trace", "--student", student_id, "--json")
    key, _ = json.loads(printed.stdout)["trace_keys"]
    browser = await sign_in(installation, person)
    async with otlp.watched() as spans, browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        answer = await installation.client("library").post(
            "/operations/loan",
            json={
                "student_id": student_id,
                "barcode": f"B-{secrets.token_hex(4)}",
                "title": "读物",
                "due_on": "2027-06-20",
            },
            headers={"Idempotency-Key": secrets.token_hex(8)},
        )
        assert answer.status_code == 200, answer.text
        await events.next()
        trace_id = answer.headers["traceresponse"].split("-")[1]
        topic = installation.topics.status("library")
        way = ["POST /operations/loan", f"send {topic}", f"process {topic}", "push page"]

        def of_trace() -> dict[str, Any]:
            return {span.name: span for span in spans if span.trace_id.hex() == trace_id}

        await eventually(lambda: of_trace().keys() >= set(way), what="the whole way", timeout_s=40)
    requested, sent, processed, pushed = (of_trace()[name] for name in way)
    assert [sent.parent_span_id, processed.parent_span_id, pushed.parent_span_id] == [
        requested.span_id,
        sent.span_id,
        processed.span_id,
    ]
    assert all(attributes(span)["lixiao.subject"] == key for span in (requested, sent, processed, pushed))
    assert all(attributes(span)["lixiao.department"] == "library" for span in (requested, sent, processed, pushed))
    assert [attributes(span)["lixiao.outcome"] for span in (requested, processed, pushed)] == [
        "changed",
        "stored",
        "sent",
    ]
    assert student_id not in "".join(map(str, of_trace().values()))
    (link,) = processed.links
    assert link.trace_id.hex() != trace_id, "its batch has a trace of its own"
    for outcome in ("changed", "stored", "sent"):

        async def is_found(outcome: str = outcome) -> bool:
            tags = {"lixiao_subject": key, "lixiao_department": "library", "lixiao_outcome": outcome}
            return trace_id in await found_by(collector, **tags)

        await eventually(
            is_found, what=f"the trace among those of the student that {outcome}", timeout_s=30, poll_s=0.5
        )
    await browser.close()


async def test_the_roster_and_every_first_word_are_one_trace(installation: Installation, collector: str) -> None:
    trace_id = secrets.token_hex(16)
    client = installation.client(CLEARANCE)
    client.headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    try:
        await installation.enrol()
    finally:
        del client.headers["traceparent"]
    topics = [installation.topics.status(department) for department in installation.departments]
    spans = await spans_until(
        collector, trace_id, *(f"process {topic}" for topic in topics), *(f"send {topic}" for topic in topics)
    )
    assert {service_of(span) for span in spans} == {f"lixiao-{name}" for name in (CLEARANCE, *installation.departments)}


@asynccontextmanager
async def watched() -> AsyncIterator[list[str]]:
    """The addresses that anything in this process asks for."""
    addresses: list[str] = []
    send = httpx.AsyncClient.send

    async def noted(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        addresses.append(str(request.url))
        return await send(self, request, **options)

    httpx.AsyncClient.send = noted  # type: ignore[method-assign]
    try:
        yield addresses
    finally:
        httpx.AsyncClient.send = send  # type: ignore[method-assign]


async def test_nothing_that_names_a_student_is_in_a_trace_a_log_a_metric_or_an_address(
    installation: Installation, collector: str
) -> None:
    person = installation.person()
    student_id, name = person.student_id or "", f"端木{secrets.choice('甲乙丙丁')}验"
    book = f"读物{secrets.token_hex(4)}"
    async with watched() as addresses:
        await walk(installation, person, name, book)
    trace_id = secrets.token_hex(16)
    last = await installation.client("library").post(
        "/records/query",
        json={"student_id": student_id},
        headers={"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
    )
    assert last.status_code == 200
    await spans_until(collector, trace_id, "post /records/query")

    told = {"addresses": "\n".join(addresses)}
    told |= {f"log of {service}": log for service, log in installation.logs().items()}
    for service in (*installation.departments, CLEARANCE, GATEWAY):
        told[f"traces of {service}"] = await raw(collector, f"lixiao-{service}")
        told[f"metrics of {service}"] = (
            await installation.client(service).get(f"{installation.operator_address(service)}/metrics")
        ).text
        assert "lixiao" in told[f"metrics of {service}"]
    assert all(len(told[f"traces of {service}"]) > 1000 for service in (*installation.departments, CLEARANCE))
    for place, text in told.items():
        for personal in (student_id, name, book, student_id.encode().hex(), quote(name), ascii(name)[1:-1]):
            assert personal.lower() not in text.lower(), f"{personal} is in the {place}"
        # Every student of these tests has a number of this shape, so no other's may be there either.
        assert not re.search(r"TS\d{10}", text), f"a student number is in the {place}"


async def walk(installation: Installation, person: Any, name: str, book: str) -> None:
    """Everything this student and the desks do, mistakes and unreadable records too."""
    student_id = person.student_id or ""
    await installation.enrol(student_id, name=name)
    await installation.opened("library", [student_id])
    loan = {"barcode": "B-1", "title": book, "due_on": "2026-06-20"}
    await installation.operate("library", "loan", student_id=student_id, **loan)
    library = installation.client("library")
    key = {"Idempotency-Key": secrets.token_hex(8)}
    wrong = [
        await library.post("/operations/loan", json={"student_id": student_id, **loan, "extra": name}, headers=key),
        await library.post("/operations/loan", json={"student_id": f"{student_id}{name}", **loan}, headers=key),
        await library.post("/operations/return", json={"student_id": student_id, "barcode": "B-none"}, headers=key),
        await installation.client("library").put("/records", content=f'{{"{student_id}": "{name}"'.encode()),
        await installation.client(CLEARANCE).put("/cases", json={"student_id": student_id, "name": name}),
    ]
    assert {answer.status_code for answer in wrong} <= {400, 404, 409, 422}
    assert all(name not in answer.text and student_id not in answer.text for answer in wrong)
    await installation.in_step("library", students=[student_id])
    browser = await sign_in(installation, person)
    async with browser.stream("/case/live") as response:
        await Events(response).next()
    assert name in (await browser.get("/case")).text
    assert (await browser.get("/api/v1/me")).json()["student_id"] == student_id
    file = f"student_id,thesis\n{student_id},approved\n{student_id}{name},x\n".encode()
    sent = await library.post("/imports", content=file, headers={"Content-Type": "text/csv"})
    assert sent.status_code == 202, sent.text

    async def imported() -> bool:
        return bool((await library.get(f"/imports/{sent.json()['job_id']}")).json()["state"] == "done")

    await eventually(imported, what="the import to be done")
    # A word that comes after the unreadable one would be read again.
    await installation.in_step("library", students=[student_id])
    async with Producer(installation.kafka) as producer:
        await producer.send(installation.topics.status("library"), student_id.encode(), name.encode(), JSON_HEADERS)
        await producer.send(installation.topics.case, student_id.encode(), name.encode(), JSON_HEADERS)

    async def unreadable() -> bool:
        return "unreadable" in {check["waiting_reason"] for check in (await checks(browser)).values()}

    await eventually(unreadable, what="the unreadable word to be known", poll_s=PAGE_POLL_S)
    await browser.close()
