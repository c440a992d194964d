"""Whether an installation has come to rest, and which consumer has to read what."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.clearance.submission.subscriptions import SUBMISSIONS
from services.clearance.view.projector import PROJECTOR
from tests.support.checker.collect.service import Connect

Ends = Mapping[tuple[str, int], int]
"""(topic, partition) → the offset behind its last record."""
_UNFINISHED: Final = """
SELECT EXISTS (SELECT FROM import_job WHERE state <> 'done')
    OR EXISTS (SELECT FROM record WHERE case_state IN ('open', 'completed')
               AND assessed_revision < (SELECT revision FROM coverage_revision))
"""


async def at_rest(
    connect: Connect, topics: Topics, departments: Collection[str], ends: Callable[[], Awaitable[Ends]]
) -> bool:
    """Whether nothing is on its way anywhere: outboxes empty, no attempt open, consumers at the end of their topics.

    `ends` is called last, so that a message sent meanwhile is seen as one that is not yet read.
    """
    offsets: dict[tuple[str, str, int], int] = {}
    for name in (*departments, CLEARANCE, GATEWAY):
        # One snapshot: what a consumer has committed comes with the rows that it left in the outbox.
        async with connect(name) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            if await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                return False
            if name in departments and await connection.fetchval(_UNFINISHED):
                return False
            if name == CLEARANCE and await connection.fetchval(
                "SELECT EXISTS (SELECT FROM attempt WHERE state = 'open')"
            ):
                return False
            for row in await connection.fetch("SELECT consumer, topic, partition, next_offset FROM consumer_offset"):
                offsets[row["consumer"], row["topic"], row["partition"]] = row["next_offset"]
    now = await ends()
    return all(
        offsets.get((consumer, *partition), 0) >= end
        for consumer, read_topics in subscriptions(topics, departments).items()
        for partition, end in now.items()
        if partition[0] in read_topics
    )


def subscriptions(topics: Topics, departments: Iterable[str]) -> dict[str, frozenset[str]]:
    """Which consumer has to read what."""
    names = list(departments)
    return {
        **{
            topics.group(name): frozenset({topics.case, topics.submission, topics.command, topics.republication})
            for name in names
        },
        topics.group(PROJECTOR): frozenset(topics.status(name) for name in names),
        topics.group(SUBMISSIONS): frozenset({topics.command, *(topics.attestation(name) for name in names)}),
        topics.group(GATEWAY): frozenset({topics.submission, *(topics.answer(name) for name in names)}),
    }
