"""docs/operating.md lists the metrics as Prometheus shows them, the log events, and settings that exist."""

import ast
import importlib.util
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from services.clearance.settings import ClearanceSettings
from services.gateway.settings import GatewaySettings
from services.notices.settings import NoticeSettings
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
METRICS = ROOT / "services" / "kit" / "observability" / "metrics.py"
SETTINGS = (GatewaySettings, ClearanceSettings, NoticeSettings)
LEVELS = ("debug", "info", "warning", "error", "critical")


def _exposed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of our metrics in Prometheus' text format: a fresh copy of the module, each instrument used once."""
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    spec = importlib.util.spec_from_file_location("metrics_copy", METRICS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, instrument in vars(module).items():
        if name.isupper() and not name.startswith("_"):
            for method, value in (
                ("add", 1),
                ("record", 1),
                ("set", 1),
                ("set_oldest", datetime.now(UTC)),
                ("ask", None),
            ):
                if hasattr(instrument, method):
                    getattr(instrument, method)(*([] if value is None else [value]))
    return set(re.findall(r"^# TYPE (\w+) ", generate_latest(registry).decode(), re.MULTILINE))


def test_the_page_lists_every_metric_under_its_name_in_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = set(re.findall(r"^\| `(lixiao_\w+)` \|", PAGE, re.MULTILINE))
    assert listed == {name for name in _exposed(monkeypatch) if name != "target_info"}


def _logged(file: Path) -> set[tuple[str, str]]:
    """(event, level) of every call of a logger in `file`; an event that is no literal is shown as its source."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            named = isinstance(node.func.value, ast.Name) and node.func.value.id in ("_log", "_logger", "log", "logger")
            if named and node.args:
                event = node.args[0]
                text = event.value if isinstance(event, ast.Constant) else ast.unparse(event)
                found.add((str(text), node.func.attr))
    return found


def _everywhere() -> set[tuple[str, str]]:
    return {event for file in (ROOT / "services").rglob("*.py") for event in _logged(file)}


def test_the_page_lists_every_log_event_with_its_level_and_no_other() -> None:
    levels = "|".join(LEVELS)
    listed = set(re.findall(rf"^\| `([\w.]+)` \| ({levels}) \|", PAGE, re.MULTILINE))
    assert len(listed) > 15
    assert sorted(listed) == sorted(_everywhere()), "docs/operating.md, Log events: one row per event and level"


def test_a_log_event_is_a_noun_and_a_verb_in_the_past() -> None:
    def good(event: str) -> bool:
        noun, _, verb = event.partition(".")
        past = any(word.endswith("ed") or word == "became" for word in verb.split("_"))
        return bool(re.fullmatch(r"[a-z_]+", noun) and re.fullmatch(r"[a-z_]+", verb)) and past

    assert [event for event, _ in sorted(_everywhere()) if not good(event)] == []


def test_every_setting_the_page_names_is_read() -> None:
    fields = {name for settings in SETTINGS for name in settings.model_fields}
    elsewhere = {"postgres", "secrets_folder", "databases"}
    named = {name.lower() for name in re.findall(r"`?LIXIAO_([A-Z_]+)", PAGE)}
    assert named - fields - elsewhere == set()


def test_every_setting_is_on_a_page() -> None:
    """In full, or as `…_REST` beside one in full."""
    pages = PAGE + (ROOT / "docs" / "retention.md").read_text("utf-8")
    full, rests = (set(re.findall(rf"`{start}([A-Z_]+)", pages)) for start in ("LIXIAO_", "…_"))
    fields = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    assert {name for name in fields - full if not any(name.endswith(f"_{rest}") for rest in rests)} == set()
