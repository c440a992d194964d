"""A department's tables and journal."""

import importlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import DepartmentRules
from services.kit.rules.visible_text import STORED
from tests.support.checker.collect.knowledge import knowledge_fact
from tests.support.checker.collect.service import service_tables
from tests.support.checker.evidence.facts import (
    Attested,
    CommandEnded,
    EndReceived,
    Fact,
    HoldLapsed,
    HoldPlaced,
    HoldReleased,
    RecordWrite,
)
from tests.support.checker.evidence.tables import DepartmentTables, NewestStatus
from tests.support.checker.evidence.vouching import Vouching


async def department_tables(connection: Connection, name: str, absent: Mapping[str, str]) -> DepartmentTables:
    rules: DepartmentRules[Any] = importlib.import_module(f"services.{name}.operations").RULES

    def clear(body: str) -> frozenset[str]:
        assessment = rules.assess(rules.record.model_validate_json(body, context=STORED))
        return frozenset(check.check for check in assessment.checks) - {*assessment.blocked}

    def fact(row: Any, said: dict[str, Any]) -> Fact | None:
        if (known := knowledge_fact(row, said)) is not None:
            return known
        return _department_fact(row, said, clear, absent.keys())

    service = await service_tables(connection, fact)
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
        case "attestation" if how == "UPDATE":
            return HoldLapsed(tx, said["student_id"], said["attempt_id"])
        case "attestation" if how == "INSERT":
            answer = json.loads(said["answer"])
            clear_now = frozenset(check["check"] for check in answer["checks"] if check["verdict"] == "clear")
            outcome = said["outcome"] == "clear"
            return Attested(tx, said["student_id"], said["attempt_id"], outcome, answer["version"], clear_now)
        case "attempt_end" if how == "INSERT":
            return EndReceived(tx, said["student_id"], said["attempt_id"], said["outcome"])
        case "command_done":
            return CommandEnded(tx, said["student_id"], said["command_id"], said["outcome"])
    return None
