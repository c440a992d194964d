"""What is wrong in an installation now, since when, what it means for students, and which runbook says what to do.

As the alerts of `deploy/observability` are, without a Prometheus: what takes a rate over time to see is theirs alone.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import httpx

from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.gateway.staff.operating.answers import DeadLetters, Health
from services.gateway.staff.operating.client import OperatedService, OperatedServices, Sample

RUNBOOKS: Final = "docs/runbooks"
Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Kind:
    """An alert's name, its threshold, and what it means for the students."""

    name: str
    severity: Severity
    means: str
    above: float = 0.0

    @property
    def runbook(self) -> str:
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("-")
        return f"{RUNBOOKS}/{name}.md"


SERVICE_DOWN: Final = Kind(
    "ServiceDown",
    "critical",
    "Its part of the page is grey after a minute; what was done meanwhile is not lost.",
)
DEAD_LETTERS: Final = Kind(
    "DeadLetters",
    "critical",
    "The line of one student is grey until it is published again, which its department is asked to by itself.",
)
CERTIFICATE_ENDS: Final = Kind(
    "CertificateEnds", "warning", "Browsers and services refuse the connection from then on."
)
_CERTIFICATE_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Measured:
    """A problem that a gauge shows. `words` of it, with the value of `label` as `{subject}`. `age`: seconds since.

    `unit` stands behind the value.
    """

    kind: Kind
    metric: str
    label: str
    words: str
    age: bool = False
    unit: str = ""


MEASURED: Final = (
    Measured(
        Kind("DepartmentSilent", "critical", "Its checks are 待同步, and nobody can submit.", 60),
        "lixiao_source_freshness_seconds",
        "department",
        "Nothing is heard of {subject}",
        age=True,
    ),
    Measured(
        Kind("EventsWaiting", "critical", "Pages do not follow what is done at the desks; nothing is lost.", 30),
        "lixiao_outbox_age_seconds",
        "outbox",
        "Events of {subject} are not taken by Kafka",
        age=True,
    ),
    Measured(
        Kind("ConsumerLagging", "warning", "Pages and submissions are late.", 1000),
        "lixiao_consumer_lag",
        "consumer",
        "{subject} is behind",
    ),
    Measured(
        Kind(
            "DatabaseSlow",
            "critical",
            "What this service does is late: the clearance's database delays every page's news and every submission, "
            "a department's its desk, the gateway's signing in.",
            0.5,
        ),
        "lixiao_database_answer_seconds",
        "database",
        "The database of {subject} answers slowly",
        unit=" s",
    ),
    Measured(
        Kind(
            "DatabaseLocked",
            "critical",
            "What needs the same rows waits: a student's line, a desk's change, a submission.",
        ),
        "lixiao_database_waiting",
        "database",
        "Statements wait for a lock in the database of {subject}",
    ),
    Measured(
        Kind(
            "KafkaDegraded",
            "warning",
            "Nothing while one broker of three is away; without a leader their lines do not follow.",
        ),
        "lixiao_kafka_degraded",
        "consumer",
        "Topics of {subject} have no leader, or copies that are behind",
    ),
    Measured(
        Kind(
            "ViewDiffers",
            "critical",
            "Lines may show what the department does not say; a submission asks the department itself.",
        ),
        "lixiao_reconciliation_differing",
        "department",
        "The view differs from {subject}",
    ),
    Measured(
        Kind("NotCompared", "warning", "Nothing yet; a difference would not be found.", 180),
        "lixiao_reconciliation_age_seconds",
        "department",
        "The view was not compared with {subject}",
        age=True,
    ),
    Measured(
        Kind("OlderVersions", "critical", "These lines are 待同步 until the department publishes above them."),
        "lixiao_source_older_versions",
        "department",
        "{subject} published older versions behind newer ones",
    ),
    Measured(
        Kind("HoldStuck", "warning", "A debt or fine of one student cannot be entered.", 600),
        "lixiao_hold_age_seconds",
        "department",
        "A hold of {subject} does not end",
        age=True,
    ),
    Measured(
        Kind("QuestionsOpen", "warning", "Students named in refused rows stay 待同步."),
        "lixiao_open_questions",
        "department",
        "{subject} has open questions",
    ),
    Measured(
        Kind("NoticesDead", "warning", "They are not told by this way; their page says it."),
        "lixiao_notices_dead",
        "channel",
        "Notices by {subject} were given up",
    ),
)
_CERTIFICATE: Final = "lixiao_certificate_end_seconds"
METRICS: Final = frozenset({*(one.metric for one in MEASURED), _CERTIFICATE})
WARNINGS: Final = {
    "open questions": "QuestionsOpen",
    "holds": "HoldStuck",
    "notices": "NoticesDead",
    "reconciliation": "ViewDiffers",
    "older versions": "OlderVersions",
    "edited records": "RecordsEdited",
    "republication": "DatabaseBehind",
}
"""Warnings of readiness that one of the above says too, or that an alert's runbook is about."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`since` is None if it is not known. `runbook`: a path in the repository."""

    name: str
    severity: Severity
    subject: str
    words: str
    means: str
    runbook: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What a service answered; without `health` it did not, and `away` says how."""

    name: str
    health: Health | None = None
    samples: tuple[Sample, ...] = ()
    dead_letters: DeadLetters | None = None
    away: str = ""


@dataclass(frozen=True, slots=True)
class InstallationStatus:
    """`states`: by service."""

    at: datetime
    states: Mapping[str, str]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def answered(self) -> bool:
        return any(state != "away" for state in self.states.values())


async def status_of(services: OperatedServices, person: str, *, freshness_bound_s: float) -> InstallationStatus:
    """Every service is asked at once, none is waited for that is away."""
    observed = await asyncio.gather(*(_observed(one, person) for one in services.services))
    now = datetime.now(UTC)
    return InstallationStatus(
        now,
        {one.name: _state(one.health) for one in observed},
        problems_in(observed, now, freshness_bound_s=freshness_bound_s),
    )


def problems_in(observed: Iterable[Observed], now: datetime, *, freshness_bound_s: float = 60.0) -> tuple[Problem, ...]:
    """The critical ones first; of them services that do not answer, which others follow from, then the oldest."""
    found: list[Problem] = []
    for one in observed:
        if one.health is None:
            found.append(_problem(SERVICE_DOWN, one.name, f"{one.name} does not answer{one.away}"))
            continue
        found += _unready(one.name, one.health)
        found += _measured(one, now, freshness_bound_s)
        if one.dead_letters is not None and one.dead_letters.dead_letters:
            found.append(_dead_letters(one.name, one.dead_letters))
        found += _warned(one.name, one.health, found)
    return tuple(sorted(found, key=_rank))


def _rank(problem: Problem) -> tuple[str, bool, datetime, str]:
    since = problem.since or datetime.max.replace(tzinfo=UTC)
    return problem.severity, problem.name != SERVICE_DOWN.name, since, problem.subject


def _unready(service: str, health: Health) -> list[Problem]:
    words = "; ".join(f"{name}: {detail}" if detail else name for name, detail in health.failing)
    return [_problem(SERVICE_DOWN, service, f"{service} is not well: {words}")] if words else []


def _measured(one: Observed, now: datetime, freshness_bound_s: float) -> list[Problem]:
    found = []
    for rule in MEASURED:
        above = freshness_bound_s if rule.kind.name == "DepartmentSilent" else rule.kind.above
        for subject, value in _worst(one.samples, rule.metric, rule.label).items():
            if value > above:
                since = now - timedelta(seconds=value) if rule.age else None
                words = rule.words.format(subject=subject or one.name)
                measured = f"{value:.3g}{rule.unit}" if rule.unit else f"{value:.0f}"
                found.append(
                    _problem(rule.kind, subject or one.name, words if rule.age else f"{words} ({measured})", since)
                )
    for sample in one.samples:
        ends = datetime.fromtimestamp(sample.value, UTC) if sample.name == _CERTIFICATE else None
        if ends is not None and ends - now < timedelta(days=_CERTIFICATE_DAYS):
            words = f"The TLS certificate of {one.name} ends at {ends:%Y-%m-%d %H:%M} UTC"
            found.append(_problem(CERTIFICATE_ENDS, one.name, words))
    return found


def _worst(samples: Iterable[Sample], metric: str, label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for sample in samples:
        if sample.name == metric:
            subject = sample.labels.get(label, "")
            found[subject] = max(found.get(subject, sample.value), sample.value)
    return found


def _dead_letters(service: str, letters: DeadLetters) -> Problem:
    count = f"{len(letters.dead_letters)}{'' if letters.next_after is None else ' or more'}"
    oldest = min(letters.dead_letters, key=lambda one: one.stored_at)
    words = f"{service} has dead letters ({count}), the oldest of {oldest.topic}: {oldest.reason}"
    return _problem(DEAD_LETTERS, service, words, oldest.stored_at)


def _warned(service: str, health: Health, known: Iterable[Problem]) -> list[Problem]:
    """What readiness warns of and nothing above has said."""
    names = {one.name for one in known if one.subject == service}
    found = []
    for name, words in health.warnings.items():
        alert = WARNINGS.get(name)
        if alert in names:
            continue
        runbook = Kind(alert, "warning", "").runbook if alert else "docs/operating.md#health"
        found.append(
            Problem(
                alert or "Warning",
                "warning",
                service,
                f"{service} warns of {name}: {words}",
                "What the runbook says." if alert else "Nothing yet.",
                runbook,
            )
        )
    return found


def _problem(kind: Kind, subject: str, words: str, since: datetime | None = None) -> Problem:
    return Problem(kind.name, kind.severity, subject, words, kind.means, kind.runbook, since)


def _state(health: Health | None) -> str:
    if health is None:
        return "away"
    if health.failing:
        return "unwell"
    return "warned" if health.warnings else "ok"


def _how(error: BaseException | None) -> str:
    """It does not answer."""
    if isinstance(error, httpx.TimeoutException):
        return " in time: its process hangs, or its host is not reached"
    if isinstance(error, httpx.ConnectError):
        return ": nothing listens at its address, its process does not run"
    return ""


async def _observed(service: OperatedService, person: str) -> Observed:
    try:
        health, samples = await asyncio.gather(service.health(), service.samples(METRICS))
    except DeskUnavailable as unavailable:
        return Observed(service.name, away=_how(unavailable.__cause__))
    try:
        letters = await service.dead_letters(person)
    except (DeskUnavailable, DeskRefused):
        letters = None
    return Observed(service.name, health, samples, letters)
