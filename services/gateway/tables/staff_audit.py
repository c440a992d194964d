"""What members of staff saw of students and took out of the service, in the gateway's audit."""

from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from services.gateway.timeouts import bounded
from services.kit.audit import log
from services.kit.student_numbers import student_number


class StaffAudit:
    """To be called before anything is shown. `account` is the subject."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def looked_up(self, account: str, department: str, students: Iterable[str]) -> None:
        """Of each of them that is a number."""
        numbers = [number for each in students if (number := student_number(each))]
        await bounded(self._look_up(account, "staff.look-up", numbers, {"department": department}))

    async def listed(self, account: str, department: str, filters: Mapping[str, str]) -> None:
        """A page of the work list: of whom it had, the filters say."""
        await bounded(self._look_up(account, "staff.list", [None], {"department": department, **filters}))

    async def list_exported(self, account: str, department: str, filters: Mapping[str, str]) -> None:
        await bounded(self._exported(account, {"department": department, **filters}))

    async def audit_exported(self, account: str, service: str, student_id: str | None) -> None:
        """Each audit has its own entry of what was searched for. `service` is empty for all."""
        await bounded(self._exported(account, {"service": service}, act="audit.export", student_id=student_id))

    async def _look_up(
        self, account: str, act: str, students: Iterable[str | None], details: Mapping[str, str]
    ) -> None:
        async with self._pool.acquire() as connection:
            await log.append_look_up(connection, actor=account, act=act, students=students, **details)

    async def _exported(
        self, account: str, details: Mapping[str, str], *, act: str = "staff.export-list", student_id: str | None = None
    ) -> None:
        async with self._pool.acquire() as connection:
            await log.append_entry(
                connection, actor=account, act=act, outcome="exported", student_id=student_id, details=details
            )
