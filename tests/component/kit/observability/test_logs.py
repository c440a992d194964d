"""Log lines: JSON that names its service and trace, and nobody."""

import asyncio
import gc
import io
import logging
from datetime import datetime

import pytest
import structlog
from opentelemetry import trace
from pydantic import BaseModel

from tests.component.kit.observability.rig import SECRET, Rig, last


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
        ValueError("can't convert b'TS20260001', of 'Wang Xiaoming'"),
        ValueError(f"{'x' * 488} of 'Wang Xiaoming', who is longer than what is kept of a text"),
    ],
)
def test_an_error_is_logged_with_its_place_and_without_what_it_quotes(lines: io.StringIO, error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        structlog.get_logger().error("desk.failed", exc_info=raised)
    assert "TS20260001" not in lines.getvalue()
    assert "王" not in lines.getvalue()
    assert "Wang" not in lines.getvalue()
    assert last(lines)["error"] == type(error).__name__
    assert "test_logs.py" in last(lines)["error_at"][-1]


async def test_an_error_that_nobody_waited_for_is_logged_without_what_it_quotes(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise KeyError(SECRET)

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    gc.collect()
    assert SECRET not in lines.getvalue()
    assert (last(lines)["event"], last(lines)["error"]) == ("Task exception was never retrieved", "KeyError")


def test_an_error_keeps_the_address_it_could_not_reach(lines: io.StringIO) -> None:
    structlog.get_logger().error("relay.failed", exc_info=OSError("connect to 127.0.0.1:19092 failed"))
    assert last(lines)["error_text"] == "connect to 127.0.0.1:19092 failed"
