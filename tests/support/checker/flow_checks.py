"""Invariants of what flows: outbox, topics, view, commands, audit, and what clients were promised. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.codec import Unreadable, open_envelope
from schemas.events import (
    AttestationGiven,
    CaseChanged,
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from tests.support.checker.evidence import (
    AttemptChange,
    Attested,
    CommandEnded,
    CommandWrite,
    Evidence,
    HoldReleased,
    OutboxInsert,
    RecordWrite,
    ServiceTables,
    ViewWrite,
)
from tests.support.checker.history import Kind, Outcome


def no_invented_fact(evidence: Evidence) -> Iterator[str]:
    """S3: what the view shows, a committed transaction of that department wrote."""
    for (student_id, name), shown in evidence.clearance.view.items():
        if shown.version and (student_id, shown.version, shown.status) not in _said(evidence.departments[name].service):
            yield f"the view shows version {shown.version} of {name}, which it never wrote so"


def _said(service: ServiceTables) -> set[tuple[str, int, str]]:
    return {
        (fact.event.student_id, fact.event.version, fact.event.model_dump_json())
        for fact in service.journal
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged)
    }


def atomic_outbox(evidence: Evidence) -> Iterator[str]:
    """S4: a committed status has exactly one outbox row ever, in its transaction, and no row is without one.

    In the same way every answer, every end of an attempt and every command has its row in its own transaction.
    """
    for name, department in evidence.departments.items():
        yield from _statuses(name, department.service)
        posts = _posts(department.service)
        for fact in department.service.journal:
            if isinstance(fact, Attested) and (fact.tx, AttestationGiven, fact.attempt_id) not in posts:
                yield f"{name} answered attempt {fact.attempt_id} and put no answer into its outbox"
            if isinstance(fact, CommandEnded) and (fact.tx, CommandAnswered, fact.command_id) not in posts:
                yield f"{name} ended command {fact.command_id} and put no answer into its outbox"
    posts = _posts(evidence.clearance.service)
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, AttemptChange) and fact.state != "open":
            kind = SubmissionAccepted if fact.state == "accepted" else SubmissionRefused
            if (fact.tx, kind, fact.attempt_id) not in posts:
                yield f"attempt {fact.attempt_id} became {fact.state} without a word in the outbox"
    posts = _posts(evidence.gateway.service)
    for fact in evidence.gateway.service.journal:
        if isinstance(fact, CommandWrite) and fact.state == "asked":
            kinds = (SubmitAsked, CommandAsked)
            if not any((fact.tx, kind, fact.command_id) in posts for kind in kinds):
                yield f"command {fact.command_id} was written and not put into the outbox"


def _statuses(name: str, service: ServiceTables) -> Iterator[str]:
    posted: dict[tuple[int, str, int], int] = defaultdict(int)
    for fact in service.journal:
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged):
            posted[fact.tx, fact.event.student_id, fact.event.version] += 1
    versions: dict[str, int] = defaultdict(int)
    for fact in service.journal:
        if not isinstance(fact, RecordWrite) or fact.version == versions[fact.student_id]:
            continue
        if fact.version != versions[fact.student_id] + 1:
            yield f"{name} went from version {versions[fact.student_id]} of a student to {fact.version}"
        versions[fact.student_id] = fact.version
        count = posted.pop((fact.tx, fact.student_id, fact.version), 0)
        if count != 1:
            yield f"{name} committed version {fact.version} of a student with {count} outbox rows"
    for (_, _, version), count in posted.items():
        yield f"{name} put {count} rows for version {version} into the outbox and wrote no such status"


def _posts(service: ServiceTables) -> set[tuple[int, type, str]]:
    found: set[tuple[int, type, str]] = set()
    for fact in service.journal:
        if isinstance(fact, OutboxInsert):
            about = getattr(fact.event, "attempt_id", None) or getattr(fact.event, "command_id", "")
            found.add((fact.tx, type(fact.event), str(about)))
    return found


def no_lost_event(evidence: Evidence) -> Iterator[str]:
    """S5: a committed row reaches its topic at least once, and at rest no row waits."""
    if not evidence.settled:
        return
    arrived = {(record.topic, record.event_id) for record in evidence.records}
    for name, service in evidence.services.items():
        if service.outbox_left:
            yield f"{service.outbox_left} rows still wait in the outbox of {name}"
        for fact in service.journal:
            if isinstance(fact, OutboxInsert) and (fact.topic, fact.event_id) not in arrived:
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


def monotone_view(evidence: Evidence) -> Iterator[str]:
    """S6: a version in the view never goes down."""
    shown: dict[tuple[str, str], int] = {}
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, ViewWrite):
            key = fact.student_id, fact.department
            if fact.version < shown.get(key, 0):
                yield f"the view of {fact.department} went from version {shown[key]} down to {fact.version}"
            shown[key] = fact.version


def convergence(evidence: Evidence) -> Iterator[str]:
    """S8: at rest the view is what the departments' own records say."""
    if not evidence.settled:
        return
    expected = {
        (student_id, name): (said.version, said.status)
        for name, department in evidence.departments.items()
        for student_id, said in department.records.items()
    }
    shown = {key: (said.version, said.status) for key, said in evidence.clearance.view.items() if said.version}
    for key in sorted(expected.keys() | shown.keys()):
        if expected.get(key) != shown.get(key):
            said, seen = (each.get(key, (0, ""))[0] for each in (expected, shown))
            yield f"{key[1]} says version {said} of a student and the view version {seen}"
    hidden = sum(not said.readable for said in evidence.clearance.view.values())
    if hidden:
        yield f"{hidden} items of the view are unreadable"


def one_effect_a_command(evidence: Evidence) -> Iterator[str]:
    """S12: for a command's id at most one effect and exactly one end."""
    ends: dict[str, set[str]] = defaultdict(set)
    for record in evidence.records:
        if record.event_id in evidence.forged:
            continue
        if isinstance(record.event, CommandAnswered):
            ends[str(record.event.command_id)].add(record.event.outcome.value)
        elif isinstance(record.event, SubmissionAccepted | SubmissionRefused):
            ends[str(record.event.attempt_id)].add(type(record.event).__name__)
    for command_id, outcomes in ends.items():
        if len(outcomes) > 1:
            yield f"command {command_id} was answered in more than one way: {sorted(outcomes)}"
    for command_id, command in evidence.gateway.commands.items():
        if evidence.settled and command_id not in ends:
            yield f"command {command_id} was answered by nobody"
        elif command.department and command.state not in {*ends[command_id], "asked"}:
            yield f"command {command_id} is {command.state} and was answered {sorted(ends[command_id])}"
    for name, department in evidence.departments.items():
        for command_id, effects in _effects(department.service).items():
            if effects > 1:
                yield f"{name} did command {command_id} {effects} times"


def _effects(service: ServiceTables) -> dict[str, int]:
    """Command → how often the record changed right before its answer "done" was put into the outbox."""
    bodies: dict[str, str] = {}
    changed: dict[tuple[int, str], bool] = {}
    effects: dict[str, int] = defaultdict(int)
    for fact in service.journal:
        if isinstance(fact, RecordWrite):
            if fact.student_id in bodies and bodies[fact.student_id] != fact.body:
                changed[fact.tx, fact.student_id] = True
            bodies[fact.student_id] = fact.body
        elif isinstance(fact, OutboxInsert) and isinstance(fact.event, CommandAnswered):
            was = changed.pop((fact.tx, fact.event.student_id), False)
            if was and fact.event.outcome is CommandOutcome.DONE:
                effects[str(fact.event.command_id)] += 1
    return effects


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


def audit_complete(evidence: Evidence) -> Iterator[str]:
    """S21: each decision and each act has one entry, and the chain verifies."""
    for name, service in evidence.services.items():
        for problem in service.chain_problems:
            yield f"the audit of {name}: {problem}"
    entries: dict[tuple[str, str, str], int] = defaultdict(int)
    for name, service in evidence.services.items():
        for entry in service.audit:
            entries[name, entry.act, str(entry.details.get("attempt") or entry.details.get("command"))] += 1
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, AttemptChange) and fact.state != "open":
            attempt = evidence.clearance.attempts.get(fact.attempt_id)
            if attempt is not None and not attempt.required:
                continue  # refused before it was opened: that is the entry of the ask
            act = "submission.accept" if fact.state == "accepted" else "submission.refuse"
            if entries["clearance", act, fact.attempt_id] != 1:
                yield f"attempt {fact.attempt_id} became {fact.state} with no, or more than one, entry"
    for name, department in evidence.departments.items():
        for fact in department.service.journal:
            if isinstance(fact, Attested | HoldReleased):
                act = "attempt.attest" if isinstance(fact, Attested) else "attempt.release"
                if entries[name, act, fact.attempt_id] != 1:
                    yield f"{name}'s {act} of {fact.attempt_id} has {entries[name, act, fact.attempt_id]} entries"


def unknown_is_unknown(evidence: Evidence) -> Iterator[str]:
    """S22: a reported success is durable, and a reported failure never takes effect."""
    for operation in evidence.operations:
        if operation.kind is Kind.DESK:
            department = evidence.departments[operation.department]
            kept = operation.key in department.requests
            if operation.outcome is Outcome.FAILED and kept:
                yield f"{operation.department} refused {operation.key} and did it"
            if operation.outcome is not Outcome.OK:
                continue
            if not kept:
                yield f"{operation.department} said that {operation.key} was done, and it is not"
            said = department.records.get(operation.student_id)
            if operation.reply["version"] > (said.version if said else 0):
                yield f"{operation.department} named version {operation.reply['version']}, which does not exist"
        elif operation.kind is Kind.ASK and operation.outcome is Outcome.OK:
            command = evidence.gateway.commands.get(operation.reply["command_id"])
            if command is None or command.student_id != operation.student_id:
                yield f"a student was told of command {operation.reply['command_id']}, which does not exist"
