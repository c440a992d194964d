"""From databases and topics to an `Evidence`: reads everything, judges nothing."""

import importlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from schemas.codec import Unreadable, open_envelope, read
from schemas.events import Message
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.clearance.submission.subscriptions import SUBMISSIONS
from services.clearance.view.projector import PROJECTOR
from services.kit.audit.chain import verify
from services.kit.manifests import DepartmentManifest, required_checks
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import DepartmentRules
from services.kit.rules.fields import STORED
from tests.support.checker.collect_knowledge import knowledge_fact
from tests.support.checker.evidence import (
    Attempt,
    AttemptChange,
    Attested,
    AuditEntry,
    ClearanceTables,
    Command,
    CommandEnded,
    CommandWrite,
    DepartmentTables,
    EndReceived,
    Evidence,
    ExceptionRow,
    ExceptionWrite,
    ExemptionRow,
    Fact,
    FormVoided,
    GatewayTables,
    HoldPlaced,
    HoldReleased,
    Issued,
    IssueUndone,
    NewestStatus,
    OpenDeadLetter,
    OutboxInsert,
    Record,
    RecordWrite,
    ServiceTables,
    Submission,
    SubmissionInsert,
    ViewWrite,
)
from tests.support.checker.vouching import Vouching

HEX: Final = "\\x"


Connect = Callable[[str], AbstractAsyncContextManager[Connection]]
"""A service's name → a connection to its database."""
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
        async with connect(name) as connection:
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


async def evidence_of(
    connect: Connect, topics: Topics, departments: Mapping[str, DepartmentManifest], found: Iterable[Any], **more: Any
) -> Evidence:
    """Everything the databases hold beside the records `found` in the topics; `more` are fields of the evidence."""
    records = records_of(found)
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        partition = record.topic, record.partition
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    tables = {}
    absent = {name: {check.name: check.absent for check in one.checks} for name, one in departments.items()}
    for name in departments:
        async with connect(name) as connection:
            tables[name] = await _department(connection, name, absent[name])
    async with connect(CLEARANCE) as clearance, connect(GATEWAY) as gateway:
        return Evidence(
            required=required_checks(departments),
            absent=absent,
            departments=tables,
            clearance=await _clearance(clearance),
            gateway=await _gateway(gateway),
            records=records,
            ends=ends,
            subscriptions=subscriptions(topics, departments),
            **more,
        )


async def _department(connection: Connection, name: str, absent: Mapping[str, str]) -> DepartmentTables:
    """A department's tables and journal."""
    rules: DepartmentRules[Any] = importlib.import_module(f"services.{name}.operations").RULES

    def clear(body: str) -> frozenset[str]:
        assessment = rules.assess(rules.record.model_validate_json(body, context=STORED))
        return frozenset(check.check for check in assessment.checks) - {*assessment.blocked}

    def fact(row: Any, said: dict[str, Any]) -> Fact | None:
        if (known := knowledge_fact(row, said)) is not None:
            return known
        return _department_fact(row, said, clear, absent.keys())

    service = await _service(connection, fact)
    vouching = Vouching(absent)
    for one in service.journal:
        vouching.apply(one)
    records = await connection.fetch("SELECT student_id, status_version, status FROM record")
    holds = await connection.fetch("SELECT student_id, attempt_id FROM hold")
    requests = await connection.fetch("SELECT request_key FROM desk_request")
    return DepartmentTables(
        service,
        {
            row["student_id"]: NewestStatus(
                row["status_version"],
                row["status"],
                vouching.clear(row["student_id"]),
                clear_checks=vouching.clear_checks(row["student_id"]),
            )
            for row in records
            if row["status"] is not None
        },
        tuple((row["student_id"], str(row["attempt_id"])) for row in holds),
        frozenset(row["request_key"] for row in requests),
    )


async def _clearance(connection: Connection) -> ClearanceTables:
    """The clearance's tables and journal."""
    view = await connection.fetch("SELECT * FROM published.status_v1")
    attempts = await connection.fetch("SELECT * FROM attempt LEFT JOIN attempt_waiver USING (attempt_id)")
    exemptions = await connection.fetch(
        "SELECT student_id, department, check_name AS check, made_at, ends_at, withdrawn_at FROM exemption"
    )
    answers = await connection.fetch("SELECT answer.*, student_id FROM answer JOIN attempt USING (attempt_id)")
    submissions = await connection.fetch("SELECT * FROM published.submission_v2")
    exceptions = await connection.fetch("SELECT * FROM exception WHERE ordinal = 0")
    keys = await connection.fetch("SELECT kid, public_jwk FROM published.signing_key_v1")
    return ClearanceTables(
        await _service(connection, _clearance_fact),
        {
            (row["student_id"], row["department"]): NewestStatus(
                row["version"], row["status"] or "", False, row["readable"]
            )
            for row in view
        },
        {
            str(row["attempt_id"]): Attempt(
                row["student_id"],
                row["state"],
                frozenset(row["required"]),
                row["cause"],
                frozenset(json.loads(row["objections"])),
                tuple((one["department"], one["check"], one["kind"]) for one in json.loads(row["waivers"] or "[]")),
                row["opened_at"],
                row["ended_at"],
                str(row["parent_id"] or ""),
            )
            for row in attempts
        },
        {
            (str(row["attempt_id"]), row["department"]): Attested(
                0,
                row["student_id"],
                str(row["attempt_id"]),
                row["outcome"] == "clear",
                json.loads(row["said"])["version"],
            )
            for row in answers
        },
        tuple(
            Submission(
                row["student_id"],
                str(row["attempt_id"]),
                row["form_number"],
                json.loads(row["facts"]),
                row["receipt"],
                row["case_number"],
                row["voided_at"] is not None,
                row["replaces"],
            )
            for row in submissions
        ),
        tuple(
            ExceptionRow(str(row["attempt_id"]), row["department"], row["version"], row["closed_at"] is None)
            for row in exceptions
        ),
        tuple(ExemptionRow(**dict(row)) for row in exemptions),
        tuple({**json.loads(row["public_jwk"]), "kid": row["kid"]} for row in keys),
    )


async def _gateway(connection: Connection) -> GatewayTables:
    """The gateway's commands and journal."""
    commands = await connection.fetch("SELECT command_id, student_id, department, name, state FROM command")
    return GatewayTables(
        await _service(connection, _gateway_fact, audited=False),
        {
            str(row["command_id"]): Command(row["student_id"], row["department"], row["name"], row["state"])
            for row in commands
        },
    )


def subscriptions(topics: Topics, departments: Iterable[str]) -> dict[str, frozenset[str]]:
    """Which consumer has to read what."""
    names = list(departments)
    return {
        **{topics.group(name): frozenset({topics.case, topics.submission, topics.command}) for name in names},
        topics.group(PROJECTOR): frozenset(topics.status(name) for name in names),
        topics.group(SUBMISSIONS): frozenset({topics.command, *(topics.attestation(name) for name in names)}),
        topics.group(GATEWAY): frozenset({topics.submission, *(topics.answer(name) for name in names)}),
    }


def records_of(found: Iterable[Any]) -> tuple[Record, ...]:
    """Kafka's records as the checker takes them."""
    return tuple(record_of(one.topic, one.partition, one.offset, one.key, one.value) for one in found)


def record_of(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None) -> Record:
    """One record; without an event when it cannot be read."""
    event_id, event = "", None
    try:
        event_id = str(open_envelope(value).id)
        event = read(value)
    except Unreadable:
        pass
    return Record(topic, partition, offset, (key or b"").decode("utf-8", "replace"), value or b"", event_id, event)


async def _service(connection: Connection, fact: Any, *, audited: bool = True) -> ServiceTables:
    journal: list[Fact] = []
    for row in await connection.fetch("SELECT tx, what, how, said FROM trigger_log.change ORDER BY seq"):
        said = json.loads(row["said"])
        one = _posted(row["tx"], said) if row["what"] == "outbox" else fact(row, said)
        if one is not None:
            journal.append(one)
    dead_letters = await connection.fetch(
        "SELECT consumer, topic, value, reason FROM dead_letter WHERE ended_at IS NULL"
    )
    offsets = await connection.fetch("SELECT consumer, topic, partition, next_offset FROM consumer_offset")
    has_audit = audited or await connection.fetchval("SELECT to_regclass('audit.entry') IS NOT NULL")
    return ServiceTables(
        tuple(journal),
        await connection.fetchval("SELECT count(*) FROM outbox"),
        tuple(
            OpenDeadLetter(row["consumer"], row["topic"], row["value"] or b"", row["reason"]) for row in dead_letters
        ),
        {(row["consumer"], row["topic"], row["partition"]): row["next_offset"] for row in offsets},
        await _audit(connection) if has_audit else (),
        (await verify(connection)).problems if has_audit else (),
    )


async def _audit(connection: Connection) -> tuple[AuditEntry, ...]:
    rows = await connection.fetch("SELECT act, outcome, student_id, details FROM audit.entry")
    return tuple(
        AuditEntry(row["act"], row["outcome"], row["student_id"] or "", json.loads(row["details"])) for row in rows
    )


def _posted(tx: int, said: Mapping[str, Any]) -> OutboxInsert | None:
    value = bytes.fromhex(said["value"].removeprefix(HEX))
    event: Message = read(value)
    return OutboxInsert(tx, said["topic"], str(open_envelope(value).id), event)


def _department_fact(row: Any, said: dict[str, Any], clear: Any, every: Collection[str]) -> Fact | None:
    tx, how = row["tx"], row["how"]
    match row["what"]:
        case "record":
            body = json.dumps(said["body"], sort_keys=True)
            checks = clear(body)
            return RecordWrite(
                tx,
                said["student_id"],
                checks == set(every),
                said["status_version"],
                body,
                checks,
                frozenset(said["own_evidence"]),
                said["cohort"],
            )
        case "hold":
            kind = HoldReleased if how == "DELETE" else HoldPlaced
            return kind(tx, said["student_id"], said["attempt_id"])
        case "attestation":
            answer = json.loads(said["answer"])
            clear_now = frozenset(check["check"] for check in answer["checks"] if check["verdict"] == "clear")
            outcome = said["outcome"] == "clear"
            return Attested(tx, said["student_id"], said["attempt_id"], outcome, answer["version"], clear_now)
        case "attempt_end" if how == "INSERT":
            return EndReceived(tx, said["student_id"], said["attempt_id"], said["outcome"])
        case "command_done":
            return CommandEnded(tx, said["student_id"], said["command_id"], said["outcome"])
    return None


def _clearance_fact(row: Any, said: dict[str, Any]) -> Fact | None:
    tx = row["tx"]
    match row["what"]:
        case "status" if row["how"] != "DELETE":
            return ViewWrite(tx, said["student_id"], said["department"], said["version"])
        case "attempt":
            return AttemptChange(tx, said["student_id"], said["attempt_id"], said["state"])
        case "submission" if row["how"] == "INSERT":
            number = said["case_number"]
            return SubmissionInsert(tx, said["student_id"], said["attempt_id"], said["form_number"], number)
        case "form_void":
            return FormVoided(tx, said["student_id"], said["attempt_id"])
        case "exception":
            return ExceptionWrite(tx, said["attempt_id"], said["name"], said["closed_at"] is None)
        case "roster_exception":
            return ExceptionWrite(tx, said["attempt_id"], f"roster {said['number']}", said["closed_at"] is None)
        case "issue":
            return Issued(tx, said["attempt_id"], said["number"], frozenset(said["confirmed"]))
        case "issue_undo":
            return IssueUndone(tx, said["attempt_id"], said["number"])
    return None


def _gateway_fact(row: Any, said: dict[str, Any]) -> Fact | None:
    return CommandWrite(
        row["tx"],
        said["student_id"],
        said["command_id"],
        said["department"],
        said["name"],
        said["state"],
        said["forms_before"],
    )


def forged_ids(values: Sequence[bytes]) -> frozenset[str]:
    """The ids of events that a test made itself."""
    return frozenset(str(open_envelope(value).id) for value in values)
