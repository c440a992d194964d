"""The alerts by Prometheus's own tool: each fires when it should, and a quiet season fires none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.alerts import ALERTS, rules
from tests.support.servers.prometheus import promtool

DAY_S = 86_400
QUIET: dict[str, str] = {
    'up{job="library", instance="a"}': "1x2000",
    'lixiao_source_freshness_seconds{department="library"}': "3x2000",
    'lixiao_outbox_age_seconds{outbox="library"}': "0x2000",
    'lixiao_consumer_lag{job="clearance", consumer="projector"}': "12x2000",
    'lixiao_database_answer_seconds{database="clearance"}': "0.004x2000",
    'lixiao_database_waiting{database="clearance"}': "0x2000",
    'lixiao_kafka_degraded{job="clearance", consumer="projector"}': "0x2000",
    'lixiao_dead_letters_total{group="g", topic="t"}': "2x2000",
    'lixiao_log_losses_total{group="g", topic="t", cause="recreated"}': "1x2000",
    'lixiao_database_behind_total{job="library", found_by="relay"}': "0x2000",
    'lixiao_reconciliation_differing{department="library"}': "0x2000",
    'lixiao_reconciliation_age_seconds{department="library"}': "30x2000",
    'lixiao_source_older_versions{department="library"}': "0x2000",
    'lixiao_record_edits_total{department="library", outcome="published"}': "0x2000",
    'lixiao_hold_age_seconds{department="library"}': "2x2000",
    'lixiao_attempts_total{outcome="accepted", cause="accepted"}': "0+5x2000",
    'lixiao_attempts_total{outcome="expired", cause="expired"}': "0+0.1x2000",
    'http_server_request_duration_seconds_count{job="gateway", http_response_status_code="200"}': "0+600x2000",
    'http_server_request_duration_seconds_count{job="gateway", http_response_status_code="503"}': "0+1x2000",
    'http_server_request_duration_seconds_bucket{job="gateway", http_route="/case", le="0.1"}': "0+595x2000",
    'http_server_request_duration_seconds_bucket{job="gateway", http_route="/case", le="5"}': "0+600x2000",
    'http_server_request_duration_seconds_bucket{job="gateway", http_route="/case", le="+Inf"}': "0+600x2000",
    'lixiao_task_failures_total{job="library", task="relay"}': "1x2000",
    'lixiao_open_questions{department="library", about="student"}': "0x2000",
    'lixiao_notices_dead{channel="mail"}': "0x2000",
    'lixiao_certificate_end_seconds{job="gateway"}': f"{60 * DAY_S}x2000",
}
"""A value a minute; `a+bxn`: n steps of b."""
FAULTS: dict[str, tuple[str, str]] = {
    "ServiceDown": ('up{job="library", instance="a"}', "1x5 0x20"),
    "DepartmentSilent": ('lixiao_source_freshness_seconds{department="library"}', "3x5 10+60x20"),
    "EventsWaiting": ('lixiao_outbox_age_seconds{outbox="library"}', "0x5 10+60x20"),
    "ConsumerLagging": ('lixiao_consumer_lag{job="clearance", consumer="projector"}', "0x5 5000x20"),
    "DeadLetters": ('lixiao_dead_letters_total{group="g", topic="t"}', "0x15 1x9"),
    "RecordsLost": ('lixiao_log_losses_total{group="g", topic="t", cause="recreated"}', "0x15 6x9"),
    "DatabaseBehind": ('lixiao_database_behind_total{job="library", found_by="relay"}', "0x15 1x9"),
    "ViewDiffers": ('lixiao_reconciliation_differing{department="library"}', "0x5 2x20"),
    "NotCompared": ('lixiao_reconciliation_age_seconds{department="library"}', "30x5 60+60x20"),
    "OlderVersions": ('lixiao_source_older_versions{department="library"}', "0x5 1x20"),
    "RecordsEdited": ('lixiao_record_edits_total{department="library", outcome="published"}', "0x15 1x9"),
    "HoldStuck": ('lixiao_hold_age_seconds{department="library"}', "0x5 60+60x20"),
    "AttemptsExpire": ('lixiao_attempts_total{outcome="expired", cause="expired"}', "0x5 0+5x20"),
    "RequestsFail": (
        'http_server_request_duration_seconds_count{job="gateway", http_response_status_code="503"}',
        "0x5 0+60x20",
    ),
    "PagesSlow": (
        'http_server_request_duration_seconds_bucket{job="gateway", http_route="/case", le="0.1"}',
        "0+500x2000",
    ),
    "DatabaseSlow": ('lixiao_database_answer_seconds{database="clearance"}', "0.01x5 0.8x30"),
    "DatabaseLocked": ('lixiao_database_waiting{database="clearance"}', "0x5 2x30"),
    "KafkaDegraded": ('lixiao_kafka_degraded{job="clearance", consumer="projector"}', "0x5 4x30"),
    "TaskFailing": ('lixiao_task_failures_total{job="library", task="relay"}', "0x12 0+1x12"),
    "QuestionsOpen": ('lixiao_open_questions{department="library", about="student"}', "3x2000"),
    "NoticesDead": ('lixiao_notices_dead{channel="mail"}', "0x5 2x20"),
    "CertificateEnds": ('lixiao_certificate_end_seconds{job="gateway"}', f"{10 * DAY_S}x2000"),
}
AT = {"QuestionsOpen": "1445m"}
"""When an alert is looked at; 25 minutes after the start where nothing else is said."""


def case(name: str, series: dict[str, str], at: str, firing: str) -> dict[str, Any]:
    """`firing`: "1" or nothing."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertstate="firing", alertname=~"{name}"}})',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": 1}] if firing else [],
            }
        ],
    }


def run(folder: Path, cases: list[dict[str, Any]]) -> str:
    (folder / "alerts.yml").write_text(rules(), encoding="utf-8")
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": cases}))
    return promtool("test", "rules", file)


def test_the_rules_are_valid(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(rules(), encoding="utf-8")
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", tmp_path / "alerts.yml")


def test_every_alert_fires_at_its_fault(tmp_path: Path) -> None:
    assert set(FAULTS) == {alert.name for alert in ALERTS}
    cases = [
        case(name, {**QUIET, series: values}, AT.get(name, "25m"), "1") for name, (series, values) in FAULTS.items()
    ]
    run(tmp_path, cases)


def test_a_quiet_season_fires_none(tmp_path: Path) -> None:
    run(tmp_path, [case(".*", QUIET, at, "") for at in ("10m", "1h", "30h")])


def test_a_fault_that_did_not_happen_is_told_apart(tmp_path: Path) -> None:
    """The tool says so: the cases above are not empty."""
    with pytest.raises(AssertionError, match="FAILED"):
        run(tmp_path, [case("DeadLetters", QUIET, "25m", "1")])
