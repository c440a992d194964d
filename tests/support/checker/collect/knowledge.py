"""From a department's trigger log to facts of what it knows: lists, questions, and rows of imports."""

import json
from datetime import datetime
from typing import Any

from schemas.student_ids import canonical_student_id
from tests.support.checker.evidence.facts import Fact, JobWrite, LoadWrite, QuestionWrite, RowDone


def knowledge_fact(row: Any, said: dict[str, Any]) -> Fact | None:
    tx = row["tx"]
    match row["what"]:
        case "covering_load":
            return LoadWrite(
                tx,
                said["load_id"],
                said["cohort"],
                frozenset(said["checks"]),
                datetime.fromisoformat(said["as_of"]),
                said["withdrawn_at"] is None,
                said["job_id"] or "",
            )
        case "open_question":
            return QuestionWrite(
                tx,
                said["question_id"],
                said["student_id"] or "",
                datetime.fromisoformat(said["opened_at"]),
                said["cohort"],
                said["job_id"] or "",
                said["row_number"] or 0,
                said["closed_how"] or "",
                said["closed_load"] or "",
            )
        case "import_row" if row["how"] != "DELETE":
            return RowDone(tx, said["job_id"], said["row_number"], said["state"], _rejected_student(said))
        case "import_job" if row["how"] != "DELETE":
            return JobWrite(tx, said["job_id"], bool(said["warnings"]))
    return None


def _rejected_student(said: dict[str, Any]) -> str:
    """By the row's own cells: what the service made of them is what is judged."""
    if said["state"] != "rejected" or any(one["field"] == "student_id" for one in said["problems"]):
        return ""
    cells = said["cells"] if isinstance(said["cells"], dict) else json.loads(said["cells"])
    return canonical_student_id(cells.get("student_id", "")) or ""
