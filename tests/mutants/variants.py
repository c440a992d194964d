"""The wrong variants: what is replaced by what, and where. A text has to stand in its file exactly once."""

from dataclasses import dataclass
from typing import Final

from tests.support.in_process.simulation import LIFE_S

ATTEST: Final = "services/kit/department/attestation.py"
ATTEMPTS: Final = "services/clearance/submission/attempt_store.py"
SUBMISSIONS: Final = "services/clearance/submission/handlers.py"
COMMANDS: Final = "services/kit/department/student_commands.py"
GATEWAY: Final = "services/gateway/tables/commands.py"
GATEWAY_TABLES: Final = "services/gateway/migrations/0001_gateway.sql"


@dataclass(frozen=True, slots=True)
class Edit:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """`what` is the mistake; `quick` ones are run by CI; `life_s` is how long attempts live."""

    name: str
    what: str
    edits: tuple[Edit, ...]
    quick: bool = False
    life_s: float = LIFE_S

    @property
    def files(self) -> tuple[str, ...]:
        """The files it changes."""
        return tuple({edit.file: None for edit in self.edits})


_ACCEPT_BY_VIEW: Final = """
            from tests.mutants.by_view import attested_by_view
            answers = await attested_by_view(connection, event) if attempt is not None else {}
            if answers.keys() >= self._required.keys():
                for answer in answers.values():
                    await attempt_store.add_answer(connection, answer)
                await self._accept(connection, case, attempt, answers)
                return []
            failpoint("submit.after_open")
"""
_HOLD: Final = "VALUES ($1, $2, $3, clock_timestamp())"
_UNLESS_HELD: Final = "SELECT $1, $2, $3, clock_timestamp() WHERE NOT EXISTS (SELECT FROM hold WHERE student_id = $2)"
_OWN: Final = "DELETE FROM hold WHERE attempt_id = $1 AND"
_ANYBODYS: Final = "DELETE FROM hold WHERE $1::uuid IS NOT NULL AND"
_ONCE: Final = " ON CONFLICT DO NOTHING"
_KEEP: Final = "(attempt_id, student_id, outcome, answer) VALUES ($1, $2, $3, $4)"
_ASK: Final = "asked_at) VALUES ($1, $2, $3, $4, $5)"
_LOOK_AND_ASK: Final = """asked_at) SELECT $1, $2, $3, $4, $5
                WHERE NOT EXISTS (SELECT FROM command WHERE (student_id, department, name) = ($2, $3, $4)
                                  AND state <> 'refused')"""

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        "view-only gate",
        "the view's word is enough to accept",
        (Edit(SUBMISSIONS, '\n            failpoint("submit.after_open")\n', _ACCEPT_BY_VIEW),),
        quick=True,
    ),
    Mutant(
        "no hold",
        "a department that attests holds nothing",
        (Edit(ATTEST, "        if answer.outcome is AttestationOutcome.CLEAR:\n", "        if False:\n"),),
        quick=True,
    ),
    Mutant(
        "shared hold",
        "a student held already is not held again, and any end ends the hold",
        (Edit(ATTEST, _HOLD, _UNLESS_HELD), Edit(ATTEST, _OWN, _ANYBODYS)),
    ),
    Mutant(
        "hold released by another attempt",
        "whichever attempt ends releases the student's holds",
        (Edit(ATTEST, _OWN, _ANYBODYS),),
        quick=True,
    ),
    Mutant(
        "hold kept after a refusal",
        "only an acceptance releases",
        (
            Edit(
                ATTEST,
                '        failpoint("outcome.before_release")\n',
                '        if outcome == "refused":\n            return\n',
            ),
        ),
    ),
    Mutant(
        "answered anew",
        "the same question is answered on the record of that moment: the first answer does not count",
        (
            Edit(ATTEST, '        if known["answer"] is not None:', "        if False:"),
            Edit(ATTEST, _HOLD, _HOLD + _ONCE),
            Edit(ATTEST, _KEEP, _KEEP + _ONCE),
        ),
    ),
    Mutant(
        "check-then-insert",
        "the gateway looks for an open command, and inserts one when it sees none",
        (
            Edit(GATEWAY, _ASK, _LOOK_AND_ASK),
            Edit(GATEWAY, "                ON CONFLICT DO NOTHING RETURNING", "                RETURNING"),
            Edit(GATEWAY_TABLES, "UNIQUE INDEX command_asked_once", "INDEX command_asked_once"),
            Edit(GATEWAY_TABLES, "UNIQUE INDEX command_submitted_once", "INDEX command_submitted_once"),
        ),
    ),
    Mutant(
        "retry without id",
        "a command that comes again is done again",
        (
            Edit(COMMANDS, "        if row is not None:\n", "        if False:\n"),
            Edit(COMMANDS, "VALUES ($1, $2, $3, $4, $5)", "VALUES ($1, $2, $3, $4, $5)" + _ONCE),
        ),
        quick=True,
    ),
    Mutant(
        "delete before acknowledgement",
        "the relay deletes rows, then sends them",
        (
            Edit(
                "services/kit/messaging/relay.py",
                "                await self._send(rows)\n",
                '                await _delete(deleter, [row["id"] for row in rows])\n'
                "                await self._send(rows)\n",
            ),
        ),
    ),
    Mutant(
        "no version guard",
        "whatever word comes last is the view's",
        (
            Edit(
                "services/clearance/view/view_store.py",
                "    WHERE excluded.version > kept.version\n",
                "    WHERE true\n",
            ),
        ),
    ),
    Mutant(
        "missing department counted as pass",
        "those who answered are all clear, and that is enough",
        (
            Edit(
                "services/clearance/submission/settlement.py",
                "    if required and counted.keys() == required:",
                "    if required and counted:",
            ),
            Edit(
                SUBMISSIONS,
                "answers[name] for name in sorted(attempt.required)}",
                "answers[name] for name in sorted(attempt.required) if name in answers}",
            ),
        ),
        quick=True,
    ),
    Mutant(
        "acknowledge on error",
        "a batch that failed is left behind",
        (
            Edit(
                "services/kit/messaging/consumer.py",
                "                    wait_s = min(wait_s * 2, WAIT_S[1])\n                else:\n",
                "                    break\n                else:\n",
            ),
        ),
    ),
    Mutant(
        "expiry ignores the lock",
        "the sweeper ends what it read as open, whoever has ended it since",
        (
            Edit(
                SUBMISSIONS,
                "        await case_store.lock(connection, student_id)\n"
                "        attempt = await attempt_store.lock(connection, attempt_id)\n"
                '        failpoint("expire.after_lock")\n',
                "        import asyncio\n"
                '        row = await connection.fetchrow("SELECT * FROM attempt WHERE attempt_id = $1", attempt_id)\n'
                "        attempt = attempt_store._attempt(row)\n"
                "        await asyncio.sleep(0.5)\n",
            ),
            Edit(ATTEMPTS, "WHERE attempt_id = $1 AND state = 'open' RETURNING", "WHERE attempt_id = $1 RETURNING"),
        ),
        life_s=0.3,
    ),
    Mutant(
        "no lock on the record",
        "a department reads the record without locking it, and is slow",
        (
            Edit(
                "services/kit/department/desk.py",
                " FROM record WHERE student_id = $1 FOR UPDATE",
                ", pg_sleep(0.1) FROM record WHERE student_id = $1",
            ),
        ),
    ),
    Mutant(
        "late debt unseen",
        "an exception is opened only for a word several versions on",
        (
            Edit(
                "services/clearance/submission/exceptions.py",
                "WHERE version >= attested AND",
                "WHERE version > attested + 3 AND",
            ),
        ),
    ),
    Mutant(
        "form over another attempt",
        "what is signed names another attempt",
        (
            Edit(
                "services/clearance/receipts/payload.py",
                '"attempt": str(attempt_id),',
                '"attempt": str(attempt_id)[::-1],',
            ),
        ),
    ),
    Mutant(
        "release without an entry",
        "a released hold is not written into the audit",
        (Edit(ATTEST, "        if released is not None:\n", "        if False:\n"),),
    ),
    Mutant(
        "acceptance unsaid",
        "an acceptance is stored and not announced",
        (Edit(SUBMISSIONS, "        await self._say(connection, [submission.announced()])\n", ""),),
    ),
)
