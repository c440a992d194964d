"""All our metrics, by OpenTelemetry's naming. No label names a student.

Ages are computed when read: a hanging task's grows, where a set gauge would stay. Counters are there from the start, at
zero: a query for an increase misses the first one of a series that begins with it.
"""

import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

_meter = metrics.get_meter("lixiao")

Labels = tuple[tuple[str, str], ...]


class AgeGauge:
    """Seconds since an instant, if set. `zero_if_none`: none is no age, rather than unknown."""

    def __init__(
        self, name: str, description: str, clock: Callable[[], float] = time.time, *, zero_if_none: bool = False
    ) -> None:
        self._since: dict[Labels, float] = {}
        self._clock, self._zero_if_none = clock, zero_if_none
        _meter.create_observable_gauge(name, [self._observe], unit="s", description=description)

    def set_oldest(self, instant: datetime | None, **labels: str) -> None:
        """`instant` is aware; None removes the age or makes it zero."""
        key = tuple(sorted(labels.items()))
        if instant is not None:
            self._since[key] = instant.timestamp()
        elif self._zero_if_none:
            self._since[key] = math.inf
        else:
            self._since.pop(key, None)

    def read(self) -> dict[Labels, float]:
        """Never below zero: clocks differ."""
        now = self._clock()
        return {labels: max(0.0, now - since) for labels, since in self._since.items()}

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(age, dict(labels)) for labels, age in self.read().items()]


class ReportedTotal:
    """A counter that another program keeps, as it last reported it."""

    def __init__(self, name: str, unit: str, description: str) -> None:
        self._totals: dict[Labels, float] = {}
        _meter.create_observable_counter(name, [self._observe], unit=unit, description=description)

    def set(self, total: float, **labels: str) -> None:
        self._totals[tuple(sorted(labels.items()))] = total

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(total, dict(labels)) for labels, total in self._totals.items()]


class AnswerTime:
    """Seconds that the last answer took, or that the present one is being waited for if that is more."""

    def __init__(self, name: str, description: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked: dict[Labels, float] = {}
        self._took: dict[Labels, float] = {}
        self._clock = clock
        _meter.create_observable_gauge(name, [self._observe], unit="s", description=description)

    def ask(self, **labels: str) -> None:
        """An answer that is still waited for is waited for from when it was first asked for."""
        self._asked.setdefault(tuple(sorted(labels.items())), self._clock())

    def answered(self, **labels: str) -> None:
        key = tuple(sorted(labels.items()))
        self._took[key] = self._clock() - self._asked.pop(key)

    def read(self) -> dict[Labels, float]:
        waiting = {labels: self._clock() - asked for labels, asked in self._asked.items()}
        return {labels: max(self._took.get(labels, 0.0), waiting.get(labels, 0.0)) for labels in self._took | waiting}

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(seconds, dict(labels)) for labels, seconds in self.read().items()]


OUTBOX_DEPTH: Final = _meter.create_gauge(
    "lixiao.outbox.depth",
    unit="{row}",
    description="Outbox rows not yet acknowledged by the broker, counted up to 100,000; every instance shows it.",
)
OUTBOX_AGE: Final = AgeGauge(
    "lixiao.outbox.age", "Age of the oldest outbox row; zero while the outbox is empty.", zero_if_none=True
)
CONSUMER_LAG: Final = _meter.create_gauge(
    "lixiao.consumer.lag",
    unit="{record}",
    description="Records of its partitions that a consumer has not committed, by consumer.",
)
SOURCE_FRESHNESS: Final = AgeGauge(
    "lixiao.source.freshness", "Time since the source's oldest alive mark over its partitions, by department."
)
KAFKA_RECORDS: Final = _meter.create_counter(
    "lixiao.kafka.records", unit="{record}", description="Records that came to a consumer's partitions, by consumer."
)
KAFKA_BROKERS: Final = _meter.create_gauge(
    "lixiao.kafka.brokers", unit="{broker}", description="Brokers of the cluster that a consumer was told of."
)
KAFKA_DEGRADED: Final = _meter.create_gauge(
    "lixiao.kafka.degraded",
    unit="{partition}",
    description="Partitions of a consumer's topics without a leader or with copies that are behind, by consumer.",
)
KAFKA_ANSWER_AGE: Final = AgeGauge(
    "lixiao.kafka.answer.age", "Time since a consumer last had an answer of its broker, by consumer."
)
DATABASE_ANSWER: Final = AnswerTime(
    "lixiao.database.answer",
    "How long the service's database took for its figures, a free connection included; grows while it gives none.",
)
DATABASE_TRANSACTIONS: Final = ReportedTotal(
    "lixiao.database.transactions", "{transaction}", "Transactions of the database by outcome, as PostgreSQL counts."
)
DATABASE_ACTIVE: Final = ReportedTotal(
    "lixiao.database.active",
    "s",
    "Time that sessions of the database spent executing statements, as PostgreSQL counts.",
)
DATABASE_BLOCKS: Final = ReportedTotal(
    "lixiao.database.blocks", "{block}", "Blocks that statements needed, by whether memory had them or a file was read."
)
DATABASE_DEADLOCKS: Final = ReportedTotal(
    "lixiao.database.deadlocks", "{deadlock}", "Deadlocks in the database; one of the two transactions was tried again."
)
DATABASE_SESSIONS: Final = _meter.create_gauge(
    "lixiao.database.sessions", unit="{session}", description="Connections to the database, of every role."
)
DATABASE_WAITING: Final = _meter.create_gauge(
    "lixiao.database.waiting", unit="{session}", description="Sessions of the service that wait for a lock."
)
DATABASE_OLDEST_TRANSACTION: Final = _meter.create_gauge(
    "lixiao.database.oldest_transaction",
    unit="s",
    description="Age of the oldest open transaction among the service's sessions.",
)
DATABASE_SIZE: Final = _meter.create_gauge(
    "lixiao.database.size", unit="By", description="What the database takes on the disk."
)
DEAD_LETTERS: Final = _meter.create_counter(
    "lixiao.dead_letters", unit="{record}", description="Records stored as dead letters, by group and topic."
)
LOG_LOSSES: Final = _meter.create_counter(
    "lixiao.log.losses",
    unit="{partition}",
    description="Partitions whose records behind a position are gone, by group, topic and cause.",
)
DATABASES_BEHIND: Final = _meter.create_counter(
    "lixiao.database.behind",
    unit="{occurrence}",
    description="How often a database was found older than what it has published, by who found it.",
)
UNCONFIRMED_STATUSES: Final = _meter.create_gauge(
    "lixiao.source.unconfirmed",
    unit="{status}",
    description="Statuses in the view that were not published again since their topic lost records, by department.",
)
RECONCILIATION_AGE: Final = AgeGauge(
    "lixiao.reconciliation.age",
    "Time since the oldest comparison of the view with a department, over its partitions, by department.",
)
RECONCILIATION_FINDINGS: Final = _meter.create_counter(
    "lixiao.reconciliation.findings",
    unit="{finding}",
    description="Partitions found to differ between the view and their department, by department.",
)
DIFFERING_PARTITIONS: Final = _meter.create_gauge(
    "lixiao.reconciliation.differing",
    unit="{partition}",
    description="Partitions in which the view differs from the department now, by department.",
)
EDITED_RECORDS: Final = _meter.create_counter(
    "lixiao.record.edits",
    unit="{record}",
    description="Records found to be edited by another hand than the service's, by department and outcome.",
)
OLDER_VERSIONS: Final = _meter.create_gauge(
    "lixiao.source.older_versions",
    unit="{status}",
    description="Statuses hidden because an older version was published behind them, by department.",
)
COMMIT_TO_VIEW: Final = _meter.create_histogram(
    "lixiao.commit_to_view",
    unit="s",
    description="From a department's commit of a status to its row in the view, by department.",
    explicit_bucket_boundaries_advisory=[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
)
COMMIT_TO_PAGE: Final = _meter.create_histogram(
    "lixiao.commit_to_page",
    unit="s",
    description="From a department's commit of a status to the page with it being put on a student's open stream.",
    explicit_bucket_boundaries_advisory=[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
)
LIVE_STREAMS: Final = _meter.create_gauge(
    "lixiao.live_streams", unit="{stream}", description="Open live pages of this process."
)
SESSIONS: Final = _meter.create_gauge(
    "lixiao.sessions", unit="{session}", description="Living sessions of the gateway, by kind of person."
)
CASES: Final = _meter.create_gauge("lixiao.cases", unit="{case}", description="Cases by state.")
OPEN_STATUSES: Final = _meter.create_gauge(
    "lixiao.open_statuses", unit="{student}", description="Students for whom a department has an open check."
)
CERTIFICATE_END: Final = _meter.create_gauge(
    "lixiao.certificate.end", unit="s", description="When the service's own TLS certificate ends, in Unix time."
)
OPEN_QUESTIONS: Final = _meter.create_gauge(
    "lixiao.open_questions",
    unit="{question}",
    description="Refused rows and files that a department has no answer to yet, by department and what they are about.",
)
HOLD_AGE: Final = AgeGauge(
    "lixiao.hold.age", "Age of the department's oldest hold; zero while it has none.", zero_if_none=True
)
HOLDS_LAPSED: Final = _meter.create_counter(
    "lixiao.holds.lapsed",
    unit="{hold}",
    description="Holds that ended with their attempt's life because no end of it arrived, by department.",
)
ATTEMPTS: Final = _meter.create_counter(
    "lixiao.attempts", unit="{attempt}", description="Attempts at a submission that ended, by outcome and cause."
)
ATTEMPT_DURATION: Final = _meter.create_histogram(
    "lixiao.attempt.duration",
    unit="s",
    description="From an attempt's opening to its end, by outcome.",
    explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
)
SHOWN_PAGES_LOST: Final = _meter.create_counter(
    "lixiao.shown_pages.lost",
    unit="{page}",
    description="Pages that students were shown and that could not be kept for later: too many waited to be written.",
)
FORM_MISSING_GLYPHS: Final = _meter.create_counter(
    "lixiao.form.missing_glyphs",
    unit="{character}",
    description="Characters that forms printed as boxes because no font has them, by script (ISO 15924).",
)
NOTICES: Final = _meter.create_counter(
    "lixiao.notices", unit="{notice}", description="Notices by channel and what became of them."
)
NOTICE_AGE: Final = AgeGauge(
    "lixiao.notice.age",
    "Age of the oldest notice that waits to be sent, by channel; zero while none does.",
    zero_if_none=True,
)
DEAD_NOTICES: Final = _meter.create_gauge(
    "lixiao.notices.dead", unit="{notice}", description="Notices that could not be sent, by channel."
)
TASK_FAILURES: Final = _meter.create_counter(
    "lixiao.task.failures", unit="{failure}", description="Failures of a background task, by task."
)
