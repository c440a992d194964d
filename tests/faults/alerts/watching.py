"""Which alerts faults are put in for, above what and by which test; and waiting for Prometheus to name them."""

from typing import Final

from deploy.observability.alerts import ALERTS
from tests.support.servers.prometheus import Prometheus
from tests.support.waiting import eventually

SOON: Final = {
    "ServiceDown": 0,
    "DepartmentSilent": 5,
    "EventsWaiting": 3,
    "ConsumerLagging": 5,
    "DatabaseSlow": 0.5,
    "DatabaseLocked": 0,
    "DatabaseBehind": 0,
    "DeadLetters": 0,
    "RecordsLost": 0,
    "ViewDiffers": 0,
    "NotCompared": 6,
    "OlderVersions": 0,
    "RecordsEdited": 0,
    "HoldStuck": 5,
    "AttemptsExpire": 0.1,
    "RequestsFail": 0.02,
    "PagesSlow": 0.3,
    "TaskFailing": 3,
    "NoticesDead": 0,
    "QuestionsOpen": 0,
    "CertificateEnds": 0,
}
"""The alerts that faults are put in for, above what: a test does not wait for minutes."""
NOT_PROVOKED: Final = {
    "KafkaDegraded": "one broker keeps one copy of everything; `make test-brokers` kills brokers of three",
}
"""With the reason."""
REMEMBERED: Final = frozenset(
    {
        "DatabaseBehind",
        "DeadLetters",
        "RecordsLost",
        "RecordsEdited",
        "AttemptsExpire",
        "RequestsFail",
        "PagesSlow",
        "TaskFailing",
    }
)
"""These look back over minutes, so that they end long after their fault."""
NAMED_WITHIN_S: Final = 150


async def until_named(prometheus: Prometheus, *names: str) -> None:
    """Each has fired since."""
    seen: set[str] = set()

    async def named() -> bool:
        seen.update(await prometheus.firing())
        return set(names) <= seen

    await eventually(named, what=f"{names} to fire", timeout_s=NAMED_WITHIN_S, poll_s=0.5)


async def until_quiet(prometheus: Prometheus, *names: str) -> None:
    """None of them fires."""

    async def quiet() -> bool:
        return not set(names) & await prometheus.firing()

    await eventually(quiet, what=f"{names} to end", timeout_s=NAMED_WITHIN_S, poll_s=0.5)


async def until_nothing_is_named(prometheus: Prometheus) -> None:
    """Whatever was tried before."""
    await until_quiet(prometheus, *({alert.name for alert in ALERTS} - REMEMBERED))
