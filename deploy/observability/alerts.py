"""What wakes a person, and the runbook that says what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import yaml

RUNBOOKS: Final = "docs/runbooks"
_FRESHNESS_BOUND_S: Final = 60


class Severity(StrEnum):
    CRITICAL = "critical"
    """Students or what was accepted are at risk: now."""
    WARNING = "warning"
    """Today."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`expression` is above `above` for `for_s` seconds. `means`: for the students."""

    name: str
    expression: str
    above: float
    for_s: int
    severity: Severity
    summary: str
    means: str

    @property
    def runbook(self) -> str:
        """Its file's name without an ending."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("-")


def _increased(metric: str, by: str, over: str = "10m") -> str:
    return f"sum by ({by}) (increase({metric}[{over}]))"


ALERTS: Final = (
    Alert(
        "ServiceDown",
        "1 - up",
        0,
        60,
        Severity.CRITICAL,
        "{{ $labels.job }} does not answer",
        "Its part of the page is grey after a minute; what was done meanwhile is not lost.",
    ),
    Alert(
        "DepartmentSilent",
        "max by (department) (lixiao_source_freshness_seconds)",
        _FRESHNESS_BOUND_S,
        60,
        Severity.CRITICAL,
        "Nothing is heard of {{ $labels.department }}",
        "Its checks are 待同步, and nobody can submit.",
    ),
    Alert(
        "EventsWaiting",
        "max by (outbox) (lixiao_outbox_age_seconds)",
        30,
        30,
        Severity.CRITICAL,
        "Events of {{ $labels.outbox }} are not taken by Kafka",
        "Pages do not follow what is done at the desks; nothing is lost.",
    ),
    Alert(
        "ConsumerLagging",
        "sum by (job, consumer) (lixiao_consumer_lag)",
        1000,
        300,
        Severity.WARNING,
        "{{ $labels.consumer }} of {{ $labels.job }} is behind",
        "Pages and submissions are late.",
    ),
    Alert(
        "DatabaseSlow",
        "max by (database) (lixiao_database_answer_seconds)",
        0.5,
        60,
        Severity.CRITICAL,
        "The database of {{ $labels.database }} answers slowly",
        "What this service does is late: the clearance's database delays every page's news and every submission, a "
        "department's its desk, the gateway's signing in.",
    ),
    Alert(
        "DatabaseLocked",
        "max by (database) (lixiao_database_waiting)",
        0,
        60,
        Severity.CRITICAL,
        "Statements wait for a lock in the database of {{ $labels.database }}",
        "What needs the same rows waits: a student's line, a desk's change, a submission.",
    ),
    Alert(
        "KafkaDegraded",
        "max by (job, consumer) (lixiao_kafka_degraded)",
        0,
        120,
        Severity.WARNING,
        "Topics of {{ $labels.job }} have no leader, or copies that are behind",
        "Nothing while one broker of three is away; without a leader their lines do not follow.",
    ),
    Alert(
        "DeadLetters",
        _increased("lixiao_dead_letters_total", "group, topic"),
        0,
        0,
        Severity.CRITICAL,
        "{{ $labels.group }} could not read a record of {{ $labels.topic }}",
        "The line of one student is grey until it is published again, which its department is asked to by itself.",
    ),
    Alert(
        "RecordsLost",
        _increased("lixiao_log_losses_total", "group, topic, cause"),
        0,
        0,
        Severity.CRITICAL,
        "Records of {{ $labels.topic }} are gone ({{ $labels.cause }})",
        "Lines are grey until the department has published again, which it is asked to at once.",
    ),
    Alert(
        "DatabaseBehind",
        _increased("lixiao_database_behind_total", "job, found_by"),
        0,
        0,
        Severity.CRITICAL,
        "The database of {{ $labels.job }} is older than what it has published",
        "Acts since the backup are missing at the desk, until they are entered again.",
    ),
    Alert(
        "ViewDiffers",
        "max by (department) (lixiao_reconciliation_differing)",
        0,
        180,
        Severity.CRITICAL,
        "The view differs from {{ $labels.department }}",
        "Lines may show what the department does not say; a submission asks the department itself.",
    ),
    Alert(
        "NotCompared",
        "max by (department) (lixiao_reconciliation_age_seconds)",
        180,
        300,
        Severity.WARNING,
        "The view was not compared with {{ $labels.department }}",
        "Nothing yet; a difference would not be found.",
    ),
    Alert(
        "OlderVersions",
        "max by (department) (lixiao_source_older_versions)",
        0,
        120,
        Severity.CRITICAL,
        "{{ $labels.department }} published older versions behind newer ones",
        "These lines are 待同步 until the department publishes above them.",
    ),
    Alert(
        "RecordsEdited",
        _increased("lixiao_record_edits_total", "department, outcome"),
        0,
        0,
        Severity.CRITICAL,
        "Records of {{ $labels.department }} were edited by another hand",
        "Lines show what was written into the database.",
    ),
    Alert(
        "HoldStuck",
        "max by (department) (lixiao_hold_age_seconds)",
        600,
        60,
        Severity.WARNING,
        "A hold of {{ $labels.department }} does not end",
        "A debt or fine of one student cannot be entered.",
    ),
    Alert(
        "AttemptsExpire",
        'sum(increase(lixiao_attempts_total{outcome="expired"}[15m]))'
        " / clamp_min(sum(increase(lixiao_attempts_total[15m])), 1)",
        0.1,
        120,
        Severity.CRITICAL,
        "Submissions expire: a department does not answer",
        "Students submit and are told to try again.",
    ),
    Alert(
        "RequestsFail",
        'sum by (job) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[5m]))'
        " / sum by (job) (rate(http_server_request_duration_seconds_count[5m]))",
        0.02,
        120,
        Severity.CRITICAL,
        "{{ $labels.job }} answers with errors",
        "Pages or desks fail; they say so and can be tried again.",
    ),
    Alert(
        "PagesSlow",
        "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket"
        '{job="gateway", http_route!="/case/live"}[5m])))',
        1,
        600,
        Severity.WARNING,
        "One page in a hundred takes longer than a second",
        "They wait.",
    ),
    Alert(
        "TaskFailing",
        _increased("lixiao_task_failures_total", "job, task"),
        3,
        0,
        Severity.WARNING,
        "The task {{ $labels.task }} of {{ $labels.job }} fails again and again",
        "It depends on the task.",
    ),
    Alert(
        "NoticesDead",
        "max by (channel) (lixiao_notices_dead)",
        0,
        0,
        Severity.WARNING,
        "Notices by {{ $labels.channel }} were given up",
        "They are not told by this way; their page says it.",
    ),
    Alert(
        "QuestionsOpen",
        "sum by (department) (lixiao_open_questions)",
        0,
        86_400,
        Severity.WARNING,
        "{{ $labels.department }} has had open questions for a day",
        "Students named in refused rows stay 待同步.",
    ),
    Alert(
        "CertificateEnds",
        "14 - (lixiao_certificate_end_seconds - time()) / 86400",
        0,
        0,
        Severity.WARNING,
        "The TLS certificate of {{ $labels.job }} ends within two weeks",
        "Browsers and services refuse the connection from then on.",
    ),
)


def rules(alerts: tuple[Alert, ...] = ALERTS) -> str:
    """Prometheus's rule file."""
    group = {"name": "lixiao", "rules": [_rule(alert) for alert in alerts]}
    return yaml.safe_dump({"groups": [group]}, sort_keys=False, allow_unicode=True, width=120)


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": f"{alert.expression} > {alert.above:g}",
        **({"for": f"{alert.for_s}s"} if alert.for_s else {}),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "means": alert.means,
            "runbook": f"{RUNBOOKS}/{alert.runbook}.md",
        },
    }
