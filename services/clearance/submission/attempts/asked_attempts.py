"""An attempt or a part of one, with what it may leave out and what was answered."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.events import AttestationGiven
from services.clearance.submission.attempts import attempt_store, attempt_waivers
from services.clearance.submission.attempts.attempt_store import Attempt
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver


@dataclass(frozen=True, slots=True)
class Asked:
    attempt: Attempt
    waivers: Mapping[CheckKey, Waiver]
    answers: Mapping[str, AttestationGiven]

    @property
    def required(self) -> dict[str, AttestationGiven]:
        """When all have answered."""
        return {name: self.answers[name] for name in sorted(self.attempt.required)}


async def asked_with_answers(
    connection: Connection, attempt: Attempt, waivers: Mapping[CheckKey, Waiver] | None = None
) -> Asked:
    """`waivers`: if they are known already; they are frozen."""
    if waivers is None:
        waivers = await attempt_waivers.frozen(connection, attempt.attempt_id)
    return Asked(attempt, waivers, await attempt_store.answers_of(connection, attempt.attempt_id))
