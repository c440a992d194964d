"""A process's telemetry from start to end, and its metrics."""

import asyncio
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from deploy.local.processes.ports import free_port
from deploy.local.servers.server import Running
from services.kit.observability.metrics import AgeGauge
from services.kit.observability.telemetry import TelemetryError, build
from tests.support.waiting import eventually


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
    always = AgeGauge("lixiao.test.always", "", clock=lambda: clock[0], zero_if_none=True)
    always.set_oldest(None, outbox="library")
    assert always.read() == {(("outbox", "library"),): 0.0}, "none is no age"


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
        "OTEL_TRACES_EXPORTER": "zipkin",
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


async def test_spans_and_metrics_reach_a_collector_by_otlp() -> None:
    port = free_port()
    environment = {
        "LIXIAO_KAFKA": "127.0.0.1:9",
        "LIXIAO_DATABASE": "postgresql://nobody@127.0.0.1/none",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as collector:
        span = asyncio.ensure_future(collector.await_trace(lambda each: each.name == "work", timeout=60))
        metric = asyncio.ensure_future(
            collector.await_metric(lambda each: each.name == "lixiao.outbox.depth", timeout=60)
        )
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROCESS, env=environment)
        assert await process.wait() == 0
        assert (await span).trace_id
        assert (await metric).gauge.data_points[0].as_int == 3
