"""Invariants of delivery: what left an outbox arrives, in order, and is read. Pure."""

from collections.abc import Iterator

from schemas.codec import Unreadable, open_envelope
from schemas.events import AuditSealed, CaseChanged, StatusChanged
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import OutboxInsert


def no_lost_event(evidence: Evidence) -> Iterator[str]:
    """S5: a committed row reaches its topic at least once, and at rest no row waits."""
    if not evidence.settled:
        return
    arrived = {(record.topic, record.event_id) for record in evidence.records}
    for name, service in evidence.services.items():
        if service.outbox_left:
            yield f"{service.outbox_left} rows still wait in the outbox of {name}"
        posted = [fact for fact in service.journal if isinstance(fact, OutboxInsert)]
        # Audits are sealed every minute, also at rest: the newest may be later than what was read of the topics.
        sealed = next((fact for fact in reversed(posted) if isinstance(fact.event, AuditSealed)), None)
        for fact in posted:
            if fact is not sealed and (fact.topic, fact.event_id) not in arrived:
                yield f"{name}'s {type(fact.event).__name__} {fact.event_id} is gone from its outbox and in no topic"


def order_kept(evidence: Evidence) -> Iterator[str]:
    """S25: in a topic that is compacted no version of a student stands for the first time behind a newer one."""
    newest: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str, int]] = set()
    for record in sorted(evidence.records, key=lambda one: (one.topic, one.partition, one.offset)):
        event = record.event
        if not isinstance(event, StatusChanged | CaseChanged) or record.event_id in evidence.forged:
            continue
        key = record.topic, record.key
        if event.version < newest.get(key, 0) and (*key, event.version) not in seen:
            yield f"{record.topic} has version {event.version} of a student behind version {newest[key]}"
        newest[key] = max(event.version, newest.get(key, 0))
        seen.add((*key, event.version))


def no_silent_skip(evidence: Evidence) -> Iterator[str]:
    """S13: at rest every consumer stands at every topic's end, and parked is only what no service of ours wrote."""
    positions = {key: at for service in evidence.services.values() for key, at in service.positions.items()}
    for consumer, topics in evidence.subscriptions.items() if evidence.settled else ():
        for (topic, partition), end in evidence.ends.items():
            at = positions.get((consumer, topic, partition), 0)
            if topic in topics and at < end:
                yield f"{consumer} stands at {at} of {end} in {topic}"
    for service in evidence.services.values():
        for letter in service.dead_letters:
            try:
                ours = open_envelope(letter.value).id not in evidence.forged
            except Unreadable:
                ours = False
            if ours:
                yield f"{letter.consumer} parked an event of ours from {letter.topic}: {letter.reason}"
