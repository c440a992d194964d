"""What is wrong in an installation: each gauge against the alert of its name, and what readiness warns of besides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.observability.alerts import ALERTS
from services.gateway.staff.operating.answers import DeadLetter, DeadLetters, Health, Probe
from services.gateway.staff.operating.client import samples_in
from services.gateway.staff.operating.status import (
    CERTIFICATE_ENDS,
    DEAD_LETTERS,
    MEASURED,
    SERVICE_DOWN,
    WARNINGS,
    Kind,
    Observed,
    problems_in,
)
from tests.support.paths import ROOT

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
WELL = Health(status="ok")
KINDS = (SERVICE_DOWN, DEAD_LETTERS, CERTIFICATE_ENDS, *(one.kind for one in MEASURED))
OF_ALERTS = {alert.name: alert for alert in ALERTS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_problem_is_the_alert_of_its_name(kind: Kind) -> None:
    alert = OF_ALERTS[kind.name]
    assert (kind.above, kind.means, kind.severity) == (alert.above, alert.means, alert.severity.value)
    assert kind.runbook == f"docs/runbooks/{alert.runbook}.md"
    assert (ROOT / kind.runbook).exists()


@pytest.mark.parametrize("measured", MEASURED, ids=lambda one: one.kind.name)
def test_a_gauge_is_the_one_of_the_alert(measured: Any) -> None:
    assert measured.metric in OF_ALERTS[measured.kind.name].expression


def test_a_warning_of_readiness_leads_to_a_runbook_that_is_there() -> None:
    assert set(WARNINGS.values()) <= OF_ALERTS.keys()


def seen(text: str = "", **changes: Any) -> Observed:
    metrics = {one.metric for one in MEASURED} | {"lixiao_certificate_end_seconds"}
    return Observed(**{"name": "clearance", "health": WELL, "samples": samples_in(text, metrics), **changes})


def test_an_installation_without_faults_has_no_problem() -> None:
    quiet = 'lixiao_source_freshness_seconds{department="library"} 4.0\nlixiao_outbox_age_seconds 0.0\n'
    assert problems_in([seen(quiet), seen(name="library")], NOW) == ()


def test_each_department_is_measured_by_itself_and_the_age_says_since_when() -> None:
    text = (
        'lixiao_source_freshness_seconds{department="library"} 120.0\n'
        'lixiao_source_freshness_seconds{department="dorm"} 59.0\n'
        'lixiao_open_questions{about="file",department="dorm"} 0.0\n'
        'lixiao_open_questions{about="student",department="dorm"} 2.0\n'
    )
    silent, questions = problems_in([seen(text)], NOW)
    assert (silent.name, silent.subject, silent.since) == ("DepartmentSilent", "library", NOW - timedelta(minutes=2))
    assert (questions.name, questions.subject, questions.since) == ("QuestionsOpen", "dorm", None)
    assert [one.name for one in problems_in([seen(text)], NOW, freshness_bound_s=300)] == ["QuestionsOpen"]


def test_a_service_that_is_away_or_not_well_is_named_first() -> None:
    failing = Health(status="unwell", checks={"relay": Probe(ok=False, detail="no broker"), "database": Probe(ok=True)})
    letter = DeadLetter(
        id=1, consumer="g", topic="t", partition=0, offset=1, reason="no JSON", stored_at=NOW - timedelta(hours=1)
    )
    problems = problems_in(
        [
            seen("lixiao_consumer_lag 1001\n", name="dorm"),
            seen(name="library", health=None),
            seen(name="finance", health=failing, dead_letters=DeadLetters(dead_letters=(letter,))),
        ],
        NOW,
    )
    assert [(one.name, one.subject) for one in problems] == [
        ("ServiceDown", "finance"),
        ("ServiceDown", "library"),
        ("DeadLetters", "finance"),
        ("ConsumerLagging", "dorm"),
    ]
    assert problems[2].since == NOW - timedelta(hours=1)
    assert "relay: no broker" in problems[0].words


def test_a_warning_is_said_once_and_one_without_a_runbook_says_where_to_read() -> None:
    health = Health(status="ok", warnings={"open questions": "2 rows", "signatures": "not verified"})
    text = 'lixiao_open_questions{about="student",department="library"} 2.0\n'
    problems = problems_in([seen(text, name="library", health=health)], NOW)
    assert [(one.name, one.subject) for one in problems] == [("QuestionsOpen", "library"), ("Warning", "library")]
    assert problems[1].runbook == "docs/operating.md#health"


def test_a_certificate_is_a_problem_two_weeks_before_its_end() -> None:
    def ends_in(days: int) -> str:
        return f"lixiao_certificate_end_seconds {(NOW + timedelta(days=days)).timestamp()}\n"

    assert [one.name for one in problems_in([seen(ends_in(13))], NOW)] == ["CertificateEnds"]
    assert problems_in([seen(ends_in(15))], NOW) == ()


def test_a_slow_or_locked_database_is_named_by_the_service_that_waits_for_it() -> None:
    text = (
        'lixiao_database_answer_seconds{database="clearance"} 0.8123\n'
        'lixiao_database_waiting{database="clearance"} 2.0\n'
        'lixiao_database_answer_seconds{database="library"} 0.004\n'
    )
    problems = problems_in([seen(text)], NOW)
    assert [(one.name, one.subject) for one in problems] == [
        ("DatabaseSlow", "clearance"),
        ("DatabaseLocked", "clearance"),
    ]
    assert "0.812 s" in problems[0].words
