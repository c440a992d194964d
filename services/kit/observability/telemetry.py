"""Traces, metrics and logs of one process.

OTEL_… variables choose the exporters (`otlp`, `zipkin`, `console`, a list). Spans go by OTLP where only a collector's
address is given, and nowhere without one; /metrics is always served.
"""

import os
import threading
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Final
from uuid import uuid4

from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from services.kit.observability import logs, subjects
from services.kit.observability.redaction import RedactingExporter
from services.kit.observability.sampling import FromRequests, WorthKeeping
from services.kit.observability.unrecorded import UnrecordedSpans
from services.kit.observability.zipkin import ZipkinExporter
from services.kit.settings import Settings

_STOP_TIMEOUT_S: Final = 3.0
_PLAIN_NAMES: Final = {"otlp": "otlp_proto_http"}
"""HTTP: the gRPC exporter is not a dependency."""
_OWN: Final[dict[tuple[str, str], Callable[[], Any]]] = {("opentelemetry_traces_exporter", "zipkin"): ZipkinExporter}
_OTLP_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SLOW_S: Final = 1.0
_TRACEPARENT: Final = "traceparent"
_propagator = TraceContextTextMapPropagator()


class TelemetryError(Exception):
    """An OTEL_… variable names something not installed."""


@dataclass(frozen=True)
class Telemetry:
    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    registry: CollectorRegistry
    exports_spans: bool

    @cached_property
    def spans(self) -> trace.TracerProvider:
        """What work asks for its spans."""
        return self.tracer_provider if self.exports_spans else UnrecordedSpans(self.tracer_provider.sampler)

    def for_fastapi(self, exclude: Callable[[MutableMapping[str, Any]], bool]) -> TelemetryConfig:
        """A span per request; no logs: they carry exception messages."""
        return {
            "tracer_provider": self.spans,
            "meter_provider": self.meter_provider,
            "tracing": True,
            "metrics": True,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": exclude,
        }

    def metrics_text(self, accept: str) -> tuple[bytes, str]:
        """Prometheus text and media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> bool:
        """False if spans may be lost."""

        def flush() -> None:
            self.tracer_provider.shutdown()
            self.meter_provider.shutdown()

        # A daemon: an export that hangs must not keep the process.
        thread = threading.Thread(target=flush, name="telemetry-stop", daemon=True)
        thread.start()
        thread.join(timeout_s)
        return not thread.is_alive()


def start(service_name: str, *, settings: Settings, department: str = "") -> Telemetry:
    """Set the global telemetry, once. `department`: what the service's spans are found by."""
    logs.configure(service_name, level=settings.log_level)
    subjects.configure(settings.trace_key, department=department)
    telemetry = build(service_name, slow_s=settings.trace_slow_s)
    _exports_spans[0] = telemetry.exports_spans
    trace.set_tracer_provider(telemetry.spans)
    metrics.set_meter_provider(telemetry.meter_provider)
    if telemetry.exports_spans:
        # A span per statement costs a fifth of a department's processor time.
        instrumentor = AsyncPGInstrumentor(capture_parameters=False)  # type: ignore[no-untyped-call]
        instrumentor.instrument(tracer_provider=telemetry.tracer_provider)
    return telemetry


_exports_spans: Final = [True]


def exports_spans() -> bool:
    """Whether spans of the started telemetry go anywhere."""
    return _exports_spans[0]


def build(service_name: str, *, exporters: Sequence[SpanExporter] | None = None, slow_s: float = SLOW_S) -> Telemetry:
    """Not global yet; `exporters` replaces OTEL_TRACES_EXPORTER. Raises `TelemetryError`."""
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME") or service_name,
            "service.namespace": "lixiao",
            "service.instance.id": str(uuid4()),
        }
    )
    tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    span_exporters = _span_exporters() if exporters is None else exporters
    if span_exporters:
        tracer_provider.sampler = FromRequests(tracer_provider.sampler)
    for exporter in span_exporters:
        sent = BatchSpanProcessor(RedactingExporter(exporter))
        tracer_provider.add_span_processor(WorthKeeping(sent, slow_s=slow_s))
    registry = CollectorRegistry()
    readers = [PrometheusMetricReader(scope_info_enabled=False, registry=registry), *_metric_readers()]
    meter_provider = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
    return Telemetry(tracer_provider, meter_provider, registry, exports_spans=bool(span_exporters))


def _span_exporters() -> list[SpanExporter]:
    names = _names("OTEL_TRACES_EXPORTER")
    if "OTEL_TRACES_EXPORTER" not in os.environ and any(map(os.environ.get, _OTLP_ENDPOINTS)):
        names = ["otlp"]
    return [_load("opentelemetry_traces_exporter", name)() for name in names]


def _metric_readers() -> list[MetricReader]:
    readers: list[MetricReader] = []
    for name in _names("OTEL_METRICS_EXPORTER"):
        if name == "prometheus":
            continue
        loaded = _load("opentelemetry_metrics_exporter", name)()
        readers.append(PeriodicExportingMetricReader(loaded) if isinstance(loaded, MetricExporter) else loaded)
    return readers


def _names(variable: str) -> list[str]:
    names = [name.strip().lower() for name in os.environ.get(variable, "").split(",")]
    return [name for name in names if name not in ("", "none")]


def _load(group: str, name: str) -> Callable[[], Any]:
    if own := _OWN.get((group, name)):
        return own
    found = list(entry_points(group=group, name=_PLAIN_NAMES.get(name, name)))
    if not found:
        raise TelemetryError(f"the exporter {name!r} is not installed: there is no entry point of {group} for it")
    loaded: Callable[[], Any] = found[0].load()
    return loaded


def current_traceparent() -> str | None:
    return traceparent_of(trace.get_current_span())


def trace_headers() -> dict[str, str]:
    """Of a request to another service: its span continues ours."""
    traceparent = current_traceparent()
    return {_TRACEPARENT: traceparent} if traceparent else {}


def traceparent_of(span: trace.Span) -> str | None:
    """None if invalid."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get(_TRACEPARENT)


def remote_context(traceparent: str | None) -> Context | None:
    """Continues a stored trace; None if invalid."""
    if not traceparent:
        return None
    context = _propagator.extract({_TRACEPARENT: traceparent}, Context())
    return context if trace.get_current_span(context).get_span_context().is_valid else None
