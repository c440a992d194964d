"""Invariants of commands and of what clients were promised. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.events import CommandAnswered, CommandOutcome, SubmissionAccepted, SubmissionRefused
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import OutboxInsert, RecordWrite
from tests.support.checker.evidence.tables import ServiceTables
from tests.support.checker.history import Kind, Outcome


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
