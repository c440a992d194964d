"""Checks that students do not need, in the published views: exemptions in force, and what rules look at."""

import json
from typing import Any, Final

from services.gateway.read_model.types import StudentWaivers
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import Attribute, Waiver, waiver_list

_OF_STUDENTS: Final = """
SELECT student_id, leave_category, degree_level, campus, study_form,
       (SELECT json_agg(json_build_object('department', department, 'check', check_name, 'kind', kind,
                                          'reason', reason, 'until', until) ORDER BY exemption_id)
        FROM published.exemption_v1 AS made
        WHERE made.student_id = roster.student_id AND made.case_number = roster.case_number
          AND withdrawn_at IS NULL AND ends_at > now()) AS exemptions
FROM published.case_v1 AS roster JOIN published.case_attribute_v1 USING (student_id)
WHERE student_id = any($1::text[])
"""


async def waivers_of_students(connection: Connection, student_ids: list[str]) -> dict[str, StudentWaivers]:
    return {
        row["student_id"]: StudentWaivers(
            {name.value: row[name.value] for name in Attribute}, read_waivers(row["exemptions"])
        )
        for row in await connection.fetch(_OF_STUDENTS, student_ids)
    }


async def waivers_of_attempt(connection: Connection, attempt_id: Any) -> tuple[Waiver, ...]:
    found = "SELECT waivers FROM published.attempt_waiver_v1 WHERE attempt_id = $1"
    return read_waivers(await connection.fetchval(found, attempt_id))


def read_waivers(text: str | None) -> tuple[Waiver, ...]:
    """asyncpg returns JSON as text."""
    return waiver_list.validate_python(json.loads(text)) if text else ()
