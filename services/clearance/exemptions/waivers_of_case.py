"""The checks that a student does not need now: by rule, and by exemption."""

from services.clearance.exemptions import exemption_store
from services.clearance.roster.cases import Case
from services.kit.clearance_policy import ClearancePolicy
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import Attribute, CheckKey, Waiver


class CaseWaivers:
    def __init__(self, policy: ClearancePolicy) -> None:
        self._policy = policy

    async def of(self, connection: Connection, case: Case) -> dict[CheckKey, Waiver]:
        """The caller holds the case locked: no exemption is made or withdrawn meanwhile."""
        student = case.student
        made = await exemption_store.in_force(connection, student.student_id, case.case_number)
        attributes = {name.value: getattr(student, name.value) for name in Attribute}
        return {**self._policy.waived_by_rule(attributes), **made}
