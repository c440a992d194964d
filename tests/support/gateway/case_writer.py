"""The gateway's read model, written as the clearance writes it: cases, statuses, alive marks, exemptions."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from schemas.events import Reason, StatusChanged
from schemas.status_fast import decode_status
from services.clearance.view.records import open_codes
from services.kit.names import VIEW_CHANNEL
from services.kit.rules.waivers import Waiver
from tests.support.samples import case_samples


class CaseWriter:
    """Writes the clearance's tables by hand."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def put_case(
        self,
        student_id: str,
        *,
        state: str = "open",
        name: str = "欧阳𠮷㛃",
        category: str = "毕业离校",
        college: str = "信息与控制工程学院",
        cohort: str = "2026",
    ) -> None:
        await self._run(
            """
            INSERT INTO student_case (student_id, version, state, name, gender, college, major, grade, enrolled_on,
                                      leave_category, cohort, opened_on, changed_at)
            VALUES ($1, 1, $2, $3, '女', $7, '控制科学与工程', '2023', $4, $5, $8, $6, now())
            """,
            student_id,
            state,
            name,
            date(2023, 9, 1),
            category,
            date(2026, 6, 1),
            college,
            cohort,
        )

    async def put_all_clear(self, student_id: str, *but: tuple[str, dict[str, Any]]) -> None:
        """Every department's status; `but`: departments, and the check that is otherwise."""
        for name, heard in case_samples.clear().statuses.items():
            checks = {one.check: one.model_dump(mode="json") for one in heard.status.checks}
            checks |= {check["check"]: check for department, check in but if department == name}
            await self.put_status(student_id, name, list(checks.values()))

    async def change_college(self, student_id: str, college: str) -> None:
        """By the roster."""
        changed = "UPDATE student_case SET college = $2, version = version + 1 WHERE student_id = $1"
        await self._run(changed, student_id, college)

    async def put_status(
        self,
        student_id: str,
        department: str,
        checks: list[dict[str, Any]],
        version: int = 1,
        *,
        cause: str = "record-replaced",
    ) -> None:
        """A department's status, and an alive mark of now."""
        now = datetime.now(UTC)
        status = StatusChanged.model_validate(
            {
                "student_id": student_id,
                "department": department,
                "version": version,
                "occurred_at": now.isoformat(),
                "cause": Reason(code=cause).model_dump(),
                "checks": checks,
            }
        )
        await self._run(
            """
            INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition,
                                source_offset, status, open_codes, open_since)
            VALUES ($1, $2, $3::int, $4::timestamptz, $4::timestamptz, 0, $3::int, $5, $6::text,
                    CASE WHEN $6::text IS NOT NULL THEN $4::timestamptz END)
            ON CONFLICT (student_id, department) DO UPDATE
            SET version = excluded.version, occurred_at = excluded.occurred_at, heard_at = excluded.heard_at,
                source_offset = excluded.source_offset, status = excluded.status, open_codes = excluded.open_codes,
                open_since = excluded.open_since
            """,
            student_id,
            department,
            version,
            now,
            status.model_dump_json(),
            open_codes(decode_status(status.model_dump_json().encode())),
        )
        await self.put_alive_mark(department)

    async def put_alive_mark(self, department: str, at: datetime | None = None) -> None:
        await self._run(
            """
            INSERT INTO source (department, partition, alive_as_of, heard_at) VALUES ($1, 0, $2, $2)
            ON CONFLICT (department, partition) DO UPDATE SET alive_as_of = excluded.alive_as_of
            """,
            department,
            at or datetime.now(UTC),
        )

    async def exempt(self, student_id: str, waiver: Waiver, *, ends_at: datetime | None = None) -> None:
        """Decided by two persons. `ends_at`: an hour from now if not given."""
        now = datetime.now(UTC)
        await self._run(
            """
            WITH proposed AS (
                INSERT INTO proposal (action, student_id, body, reason, persons, state, proposed_by, proposed_at,
                                      expires_at, ended_by, ended_at, request_key, fingerprint)
                VALUES ('not-applicable', $1, '{}', $5, 2, 'confirmed', 'clerk-a', $7::timestamptz,
                        $7::timestamptz + interval '1 day', 'clerk-b', $7, gen_random_uuid()::text, '')
                RETURNING proposal_id
            )
            INSERT INTO exemption (student_id, department, check_name, kind, reason, until, proposal_id, proposed_by,
                                   confirmed_by, made_at, ends_at)
            SELECT $1, $2, $3, $4, $5, $6, proposal_id, 'clerk-a', 'clerk-b', $7::timestamptz - interval '1 day', $8
            FROM proposed
            """,
            student_id,
            waiver.department,
            waiver.check,
            waiver.kind.value,
            waiver.reason,
            waiver.until,
            now,
            ends_at or now + timedelta(hours=1),
        )

    async def withdraw_exemptions(self, student_id: str) -> None:
        await self._run(
            "UPDATE exemption SET withdrawn_at = now(), withdrawn_by = 'clerk-b', withdrawal = proposal_id"
            " WHERE student_id = $1 AND withdrawn_at IS NULL",
            student_id,
        )

    async def all_clear(self, student_id: str) -> None:
        """Every department's status is clear."""
        for department, heard in case_samples.clear().statuses.items():
            await self.put_status(student_id, department, case_samples.checks_of(heard))

    async def all_clear_library(self, student_id: str, version: int) -> None:
        """The library's next status is clear."""
        checks = case_samples.checks_of(case_samples.library())
        await self.put_status(student_id, "library", checks, version)

    async def join(self, student_id: str, former: str) -> None:
        """A former number of the student, with nothing said of it yet."""
        await self.put_case(former, state="closed")
        await self._run("UPDATE student_case SET joined_to = $2 WHERE student_id = $1", former, student_id)

    async def open_next_case(self, student_id: str, *, major: str = "管理科学") -> None:
        """A later cohort under the same number."""
        await self._run(
            "UPDATE student_case SET state = 'open', version = version + 1, case_number = case_number + 1, major = $2,"
            " cohort = '2027' WHERE student_id = $1",
            student_id,
            major,
        )

    async def notify(self) -> None:
        await self._run(f"SELECT pg_notify('{VIEW_CHANNEL}', '')")

    async def _run(self, statement: str, *values: Any) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()
