"""Traces, metrics and logs of one process: what they join together, and whom they never name."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from fastapi import APIRouter
from opentelemetry import trace
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from deploy.local.servers.server import Running
from services.kit.http.app import create_app
from services.kit.observability import logs
from services.kit.observability.metrics import AgeGauge
from services.kit.observability.telemetry import Telemetry, TelemetryError, build, current_traceparent, remote_context
from services.kit.postgres.pool import database_probe, open_pool
from services.kit.runtime.health import Health
from tests.support.waiting import eventually

SECRET = "WANG-XIAOMING-7"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Rig:
    """A telemetry whose spans stay here, redacted as they would leave."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.telemetry: Telemetry = build("library", exporters=[self._memory])
        self.tracer = self.telemetry.tracer_provider.get_tracer("test")

    def spans(self) -> tuple[ReadableSpan, ...]:
        self.telemetry.tracer_provider.force_flush()
        return self._memory.get_finished_spans()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.telemetry.stop()


@pytest.fixture
async def traced(rig: Rig, database: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A pool whose statements are traced to `rig`."""
    instrumentor = AsyncPGInstrumentor(capture_parameters=False)  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=rig.telemetry.tracer_provider)
    try:
        async with await open_pool(database, name="library") as pool:
            yield pool
    finally:
        instrumentor.uninstrument()


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it would be on stdout; the process's logging is put back after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("library", level="info", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def last(lines: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.getvalue().splitlines()[-1])
    return line


def everything(span: ReadableSpan) -> str:
    return json.dumps([json.loads(span.to_json()), span.status.description])


async def call(rig: Rig, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    router = APIRouter()

    @router.get("/books/{number}")
    async def books(number: str) -> dict[str, str | None]:
        return {"traceparent": current_traceparent()}

    @router.get("/mistake")
    async def mistake() -> None:
        raise RuntimeError(SECRET)

    health = Health()
    app = create_app(
        title="Library",
        version="1",
        description="",
        health=health,
        lifespan=None,
        routers=[router],
        telemetry=rig.telemetry,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://library.example") as client:
        return await client.get(path, headers=headers)


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


async def test_the_detail_of_a_database_error_reaches_neither_span_nor_log(
    rig: Rig, traced: "asyncpg.Pool[asyncpg.Record]", lines: io.StringIO
) -> None:
    await traced.execute("create table record (student_id text primary key)")
    insert = "insert into record values ($1)"
    await traced.execute(insert, SECRET)
    with pytest.raises(asyncpg.UniqueViolationError) as raised:
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


def test_a_log_line_is_json_and_names_its_service_and_trace(rig: Rig, lines: io.StringIO) -> None:
    with rig.tracer.start_as_current_span("work") as span:
        structlog.get_logger().info("relay.sent", rows=3)
    line = last(lines)
    context = span.get_span_context()
    assert {key: line[key] for key in ("event", "level", "service", "rows")} == {
        "event": "relay.sent",
        "level": "info",
        "service": "library",
        "rows": 3,
    }
    assert line["trace_id"] == trace.format_trace_id(context.trace_id)
    assert line["span_id"] == trace.format_span_id(context.span_id)
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_the_standard_librarys_lines_come_out_the_same_way(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("could not %s", "bind")
    line = last(lines)
    assert (line["event"], line["level"], line["service"]) == ("could not bind", "warning", "library")
    assert "timestamp" in line


def test_a_line_break_in_a_value_stays_one_line(lines: io.StringIO) -> None:
    structlog.get_logger().info("desk.changed", desk='x\r\n{"event":"forged"}')
    assert lines.getvalue().count("\n") == 1
    assert last(lines)["desk"] == 'x\r\n{"event":"forged"}'


def test_personal_fields_are_dropped_from_a_line_whoever_writes_them(lines: io.StringIO) -> None:
    structlog.get_logger().info("case.opened", student_id=SECRET, name=SECRET, key=SECRET, rows=1)
    assert SECRET not in lines.getvalue()
    assert last(lines)["rows"] == 1


def test_a_validation_error_is_logged_without_its_input(lines: io.StringIO) -> None:
    class Row(BaseModel):
        copies: int

    with pytest.raises(ValueError, match=SECRET) as raised:
        Row.model_validate({"copies": SECRET})
    structlog.get_logger().error("import.failed", exc_info=raised.value)
    assert SECRET not in lines.getvalue()
    assert last(lines)["error_text"] == "1 validation errors of Row"


@pytest.mark.parametrize(
    "error",
    [
        KeyError("TS20260001"),
        ValueError("invalid literal for int(): 'TS20260001'"),
        RuntimeError("no record of TS20260001 (王小明)"),
    ],
)
def test_an_error_is_logged_with_its_place_and_without_what_it_quotes(lines: io.StringIO, error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        structlog.get_logger().error("desk.failed", exc_info=raised)
    assert "TS20260001" not in lines.getvalue()
    assert "王" not in lines.getvalue()
    assert last(lines)["error"] == type(error).__name__
    assert "test_telemetry.py" in last(lines)["error_at"][-1]


def test_an_error_keeps_the_address_it_could_not_reach(lines: io.StringIO) -> None:
    structlog.get_logger().error("relay.failed", exc_info=OSError("connect to 127.0.0.1:19092 failed"))
    assert last(lines)["error_text"] == "connect to 127.0.0.1:19092 failed"


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


def test_an_age_grows_by_itself_and_is_silent_about_what_was_never_told() -> None:
    now = datetime(2027, 6, 20, tzinfo=UTC)
    clock = [now.timestamp()]
    age = AgeGauge("lixiao.test.age", "", clock=lambda: clock[0])
    assert age.read() == {}
    age.set_oldest(now - timedelta(seconds=5), department="library")
    age.set_oldest(now + timedelta(seconds=5), department="dorm")
    clock[0] += 2
    assert age.read() == {(("department", "library"),): 7.0, (("department", "dorm"),): 0.0}
    age.set_oldest(None, department="library")
    assert age.read() == {(("department", "dorm"),): 0.0}


def test_an_exporter_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with pytest.raises(TelemetryError, match="carrier-pigeon"):
        build("library")


def test_a_collector_that_hangs_does_not_hold_up_the_end() -> None:
    answered = threading.Event()

    class Hangs(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            answered.wait()
            return SpanExportResult.SUCCESS

    telemetry = build("library", exporters=[Hangs()])
    telemetry.tracer_provider.get_tracer("test").start_span("work").end()
    assert telemetry.stop(timeout_s=0.2) is False
    answered.set()


PROCESS = """
import os, sys
from services.kit.observability import metrics
from services.kit.observability.telemetry import start
from services.kit.settings import load, Settings
from opentelemetry import trace
import structlog
telemetry = start("library", settings=load(Settings))
with trace.get_tracer("test").start_as_current_span("work") as span:
    structlog.get_logger().info("done")
metrics.OUTBOX_DEPTH.set(3)
metrics.DEAD_LETTERS.add(2, {"topic": "t"})
text, _ = telemetry.metrics_text("")
assert telemetry.stop()
print(text.decode())
"""


async def test_a_started_process_sends_its_spans_and_shows_its_metrics(zipkin: Running) -> None:
    environment = {
        "LIXIAO_KAFKA": "127.0.0.1:9",
        "LIXIAO_DATABASE": "postgresql://nobody@127.0.0.1/none",
        "OTEL_TRACES_EXPORTER": "zipkin_json",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{zipkin.address}/api/v2/spans",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    log, *metrics = done.stdout.splitlines()
    assert "lixiao_outbox_depth 3.0" in [line.replace("{}", "") for line in metrics]
    assert 'lixiao_dead_letters_total{topic="t"} 2.0' in metrics
    trace_id = json.loads(log)["trace_id"]

    def found() -> httpx.Response:
        return httpx.get(f"{zipkin.address}/api/v2/trace/{trace_id}")

    await eventually(lambda: found().status_code == 200, what="the trace at the collector", poll_s=0.2)
    (span,) = found().json()
    assert (span["name"], span["localEndpoint"]["serviceName"]) == ("work", "library")
