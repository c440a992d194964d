"""A power cut at every failpoint of a submission and a command: nothing half done, nothing twice, always an end.

The cut is an exception where the process would end, so that the database rolls back as it would; then the same record
is heard again, as Kafka would bring it. Processes that really end are in tests/faults.
"""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord

from schemas.events import CommandAnswered, StatusChanged, SubmissionAccepted
from services.clearance.submission.round import ends, handlers, opening, sweeper
from services.kit.department.changes import student_commands
from services.kit.department.rounds import attestation
from services.kit.runtime import failpoints
from services.library.rules import Card
from tests.support.in_process.services import ServiceInProcess
from tests.support.in_process.submission_harness import CARD_ACTIVE, Harness

AFTER_COMMIT = "consumer.after_commit"


def points_of(*subjects: str) -> list[str]:
    """The failpoints of these subjects, and the commit behind each of their last ones."""
    points = [name for name in failpoints.POINTS if name.split(".")[0] in subjects]
    return [*points, *(f"{name},{AFTER_COMMIT}" for name in points if name.endswith(".before_commit"))]


ROUND = points_of("submit", "attest", "settle", "outcome")
EXPIRY = [name for name in failpoints.POINTS if name.startswith("expire.")]
COMMAND = points_of("command")


class PowerCut(Exception):
    """The process ended here."""


class Cutter:
    """Cuts the power once, when the last of some points is reached after the others, and counts."""

    def __init__(self, path: str) -> None:
        self.path, self.cuts = list(failpoints.parse(path)), 0

    def __call__(self, name: str) -> None:
        if self.path and name == self.path[0]:
            del self.path[0]
            if not self.path:
                self.cuts += 1
                raise PowerCut


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, harness: Harness, request: pytest.FixtureRequest) -> Cutter:
    """The cutter at the test's point; a service that is cut receives the same record again once the power is back."""
    cutter = Cutter(request.param)
    for module in (ends, handlers, opening, sweeper, attestation, student_commands):
        monkeypatch.setattr(module, "failpoint", cutter)
    receive = ServiceInProcess.receive

    async def receive_to_the_end(service: ServiceInProcess, records: Sequence[ConsumerRecord]) -> None:
        try:
            await receive(service, records)
            cutter(AFTER_COMMIT)
        except PowerCut:
            await receive_to_the_end(service, records)

    monkeypatch.setattr(ServiceInProcess, "receive", receive_to_the_end)
    return cutter


@pytest.mark.parametrize("cut", ROUND, indirect=True)
async def test_a_submission_comes_to_its_one_end_through_a_power_cut(harness: Harness, cut: Cutter) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    said = await harness.deliver_all()
    assert cut.cuts == 1, "the failpoint was never reached"
    accepted = {event.form_number for event in said if isinstance(event, SubmissionAccepted)}
    submission = await harness.submission(student_id)
    assert submission is not None
    assert accepted == {submission["form_number"]}
    assert (await harness.attempt(attempt_id))["state"] == "accepted"
    assert await harness.holds(student_id) == {}
    pool = harness.clearance.pool
    told = "SELECT count(*) FROM audit.entry WHERE student_id = $1 AND act = 'submission.accept'"
    assert await pool.fetchval(told, student_id) == 1


@pytest.mark.parametrize("cut", EXPIRY, indirect=True)
async def test_an_expiry_comes_to_its_one_end_through_a_power_cut(harness: Harness, cut: Cutter) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library")
    await harness.overdue(attempt_id)
    with pytest.raises(PowerCut):
        await harness.sweeper.sweep()
    await harness.sweeper.sweep()
    await harness.deliver_all()
    assert cut.cuts == 1
    assert (await harness.attempt(attempt_id))["state"] == "expired"
    assert await harness.holds(student_id) == {}


@pytest.mark.parametrize("cut", COMMAND, indirect=True)
async def test_a_cancelled_card_is_cancelled_once_through_a_power_cut(harness: Harness, cut: Cutter) -> None:
    student_id = await harness.student(library=CARD_ACTIVE)
    await harness.command(student_id, "cancel-card", uuid4())
    said = await harness.deliver_all()
    assert cut.cuts == 1
    assert len([event for event in said if isinstance(event, StatusChanged)]) == 1
    assert len({event.model_dump_json() for event in said if isinstance(event, CommandAnswered)}) == 1
    assert (await harness.desks["library"].read(student_id)).record.card is Card.CANCELLED
