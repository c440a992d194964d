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
