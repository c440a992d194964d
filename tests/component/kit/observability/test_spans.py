"""Spans of requests and statements: what they join together, and whom they never name."""

import io
import logging

import asyncpg
import pytest
import structlog
from opentelemetry import trace

from services.kit.observability.telemetry import current_traceparent, remote_context
from services.kit.postgres.pool import database_probe
from services.kit.runtime.health import Health
from tests.component.kit.observability.rig import PARENT, SECRET, Rig, call, everything, last


async def test_a_request_is_one_span_named_by_its_route_that_continues_the_callers_trace(rig: Rig) -> None:
    answer = await call(rig, "/books/7", {"traceparent": PARENT})
    (span,) = rig.spans()
    assert span.name == "GET /books/{number}"
    assert span.kind is trace.SpanKind.SERVER
    assert span.parent is not None
    assert trace.format_span_id(span.parent.span_id) == "b7ad6b7169203331"
    context = span.get_span_context()
    assert context is not None
    ids = f"{trace.format_trace_id(context.trace_id)}-{trace.format_span_id(context.span_id)}"
    assert answer.json() == {"traceparent": f"00-{ids}-01"}


@pytest.mark.parametrize("path", [f"/books/{SECRET}?student_id={SECRET}", f"/{SECRET}?q={SECRET}", "/mistake"])
async def test_a_span_of_a_request_holds_neither_query_nor_path_nor_message(rig: Rig, path: str) -> None:
    await call(rig, path, {"User-Agent": SECRET})
    (span,) = rig.spans()
    assert SECRET not in everything(span)
    assert span.attributes is not None
    assert "url.query" not in span.attributes


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_health_and_metrics_are_not_traced(rig: Rig, path: str) -> None:
    assert (await call(rig, path)).status_code == 200
    assert rig.spans() == ()


async def test_a_mistake_marks_its_span_as_an_error_with_its_kind(rig: Rig) -> None:
    await call(rig, "/mistake")
    (span,) = rig.spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RuntimeError"


async def test_a_statement_is_a_span_without_its_values(rig: Rig, traced: "asyncpg.Pool[asyncpg.Record]") -> None:
    with rig.tracer.start_as_current_span("work"):
        await traced.fetchval("select $1::text", SECRET)
    statement, work = rig.spans()
    assert statement.parent is not None
    assert statement.parent == work.get_span_context()
    assert statement.attributes is not None
    assert statement.attributes["db.statement"] == "select $1::text"
    assert SECRET not in everything(statement)


async def test_a_statement_of_no_request_makes_no_trace(rig: Rig, traced: "asyncpg.Pool[asyncpg.Record]") -> None:
    await traced.execute("create table record (student_id text primary key)")
    with pytest.raises(asyncpg.PostgresError):
        await traced.execute("select from no_table")
    assert rig.spans() == ()


async def test_the_detail_of_a_database_error_reaches_neither_span_nor_log(
    rig: Rig, traced: "asyncpg.Pool[asyncpg.Record]", lines: io.StringIO
) -> None:
    await traced.execute("create table record (student_id text primary key)")
    insert = "insert into record values ($1)"
    await traced.execute(insert, SECRET)
    with pytest.raises(asyncpg.UniqueViolationError) as raised, rig.tracer.start_as_current_span("work"):
        await traced.execute(insert, SECRET)
    assert SECRET in str(raised.value)
    structlog.get_logger().error("it.failed", exc_info=raised.value)
    logging.getLogger("a.library").exception("it failed", exc_info=raised.value)
    spans = rig.spans()
    assert any(span.status.status_code is trace.StatusCode.ERROR for span in spans)
    assert SECRET not in "".join(map(everything, spans))
    assert SECRET not in lines.getvalue()
    assert last(lines)["error"] == "UniqueViolationError"
    assert last(lines)["error_text"] == "23505 record record_pkey"


async def test_probes_and_the_return_of_connections_make_no_spans(
    rig: Rig, traced: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    health = Health()
    health.add("database", database_probe(traced))
    assert (await health.ready()).healthy
    assert rig.spans() == ()


def test_attributes_that_would_name_a_student_are_dropped_whoever_sets_them(rig: Rig) -> None:
    with rig.tracer.start_as_current_span("publish") as span:
        span.set_attributes({"student_id": SECRET, "app.student.id": SECRET, "messaging.kafka.message.key": SECRET})
        span.set_attribute("messaging.destination.name", "lixiao.library.status.v1")
        span.add_event("sent", {"student_id": SECRET, "attempt": 1})
    (left,) = rig.spans()
    assert left.attributes == {"messaging.destination.name": "lixiao.library.status.v1"}
    assert left.events[0].attributes == {"attempt": 1}


def test_a_stored_traceparent_becomes_the_parent_of_later_work(rig: Rig) -> None:
    with rig.tracer.start_as_current_span("later", context=remote_context(PARENT)):
        inside = current_traceparent()
    (span,) = rig.spans()
    assert span.parent is not None
    assert span.parent.is_remote
    assert inside is not None
    assert inside.startswith("00-0af7651916cd43dd8448eb211c80319c-")


@pytest.mark.parametrize("stored", [None, "", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_an_invalid_traceparent_is_no_context(stored: str | None) -> None:
    assert remote_context(stored) is None


def test_there_is_no_traceparent_outside_of_a_trace() -> None:
    assert current_traceparent() is None
