"""Keeps personal data out of spans and logs.

A second barrier: libraries add query strings, Kafka keys, "Key (student_id)=(…)".
"""

import re
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import asyncpg
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue
from pydantic import ValidationError

PERSONAL: Final = frozenset(
    {
        "student_id", "student", "name", "key", "value", "body", "authorization", "token", "password", "dsn", "input",
    }
)  # fmt: skip
"""Dropped from every log line."""

_ATTRIBUTES: Final = frozenset(
    {
        "url.query",
        "url.full",
        "http.target",
        "http.url",
        "client.address",
        "user_agent.original",
        "db.statement.parameters",
        "messaging.kafka.message.key",
        "exception.message",
        "exception.stacktrace",
    }
)
_FRAMES: Final = 20
_MAX_TEXT: Final = 500
_QUOTED: Final = re.compile(
    r"""(?<!\w)[bru]?'[^']*('|$)|"[^"]*("|$)|[\w-]*\d{6,}[\w-]*|[\u2e80-\u9fff\uf900-\ufaff]+"""
)
"""Quotations, also one whose end was cut off, identifiers with six digits (a port has five), and Chinese text. The
apostrophe of `can't` begins none.
"""


class RedactingExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """A path becomes its route."""
    attributes = _clean(span.attributes or {})
    if "url.path" in attributes:
        route = attributes.get("http.route")
        del attributes["url.path"]
        if route is not None:
            attributes["url.path"] = route
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[Event(event.name, _clean(event.attributes or {}), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if not (name in _ATTRIBUTES or "student" in name)}


def drop_personal(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in PERSONAL & event.keys():
        del event[name]
    return event


def describe_exception(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`exc_info` becomes type, safe text and frames."""
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["error_text"] = safe_text(error)
        event["error_chain"] = [type(each).__name__ for each in _chain(error)[1:]]
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        event["error_at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def safe_text(error: BaseException) -> str:
    """A `KeyError` quotes its key, which may be a student."""
    if isinstance(error, asyncpg.PostgresError):
        identifiers = (getattr(error, "sqlstate", None), getattr(error, "table_name", None), _constraint(error))
        return " ".join(str(each) for each in identifiers if each)
    if isinstance(error, ValidationError):
        return f"{error.error_count()} validation errors of {error.title}"
    return _QUOTED.sub("…", str(error)[:_MAX_TEXT])


def _constraint(error: asyncpg.PostgresError) -> str | None:
    return getattr(error, "constraint_name", None)


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < 8:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain
