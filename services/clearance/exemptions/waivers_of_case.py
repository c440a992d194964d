"""The checks that a student does not need now: by rule, and by exemption."""

from collections.abc import Iterable, Mapping

from services.clearance.exemptions import exemption_store
from services.clearance.roster.cases import Case
from services.kit.clearance_policy import ClearancePolicy
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import Attribute, CheckKey, Waiver


class CaseWaivers:
    def __init__(self, policy: ClearancePolicy) -> None:
        self._policy = policy

    async def of(self, connection: Connection, cases: Iterable[Case]) -> dict[str, Mapping[CheckKey, Waiver]]:
        """By student. The caller holds the cases locked: no exemption is made or withdrawn meanwhile."""
        students = {case.student.student_id: case for case in cases}
        if not students:
            return {}
        numbers = {student_id: case.case_number for student_id, case in students.items()}
        made = await exemption_store.in_force(connection, numbers)
        return {student_id: {**self._by_rule(case), **made[student_id]} for student_id, case in students.items()}

    def _by_rule(self, case: Case) -> Mapping[CheckKey, Waiver]:
        return self._policy.waived_by_rule({name.value: getattr(case.student, name.value) for name in Attribute})
