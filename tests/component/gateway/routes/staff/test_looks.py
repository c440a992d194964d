"""Whom a member of staff looked at: in the gateway's audit, and with person and address in the department's."""

import json

from deploy.local.installation import new_student_id
from tests.component.gateway.routes.staff.working import LIBRARY, AtWork
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.staff import ServedDesk
from tests.support.gateway.visits import rows


async def looks(gateway: RunningGateway, act: str = "staff.look-up") -> list[tuple[str | None, str, str]]:
    """Student, department and address."""
    found = await rows(
        gateway.database,
        "SELECT student_id, outcome, details FROM audit.entry WHERE act = $1 AND actor = $2 ORDER BY entry_id",
        act,
        LIBRARY.sub,
    )
    assert {row["outcome"] for row in found} <= {"read"}
    details = [json.loads(row["details"]) for row in found]
    return [(row["student_id"], one["department"], one["address"]) for row, one in zip(found, details, strict=True)]


async def test_a_student_looked_at_is_in_the_audits_of_gateway_and_department(
    gateway: RunningGateway, desks: dict[str, ServedDesk], library: AtWork
) -> None:
    number = new_student_id()
    assert (await library.search(number)).status_code == 200
    assert (number, "library", "127.0.0.1") in await looks(gateway)
    told = await rows(
        desks["library"].database,
        "SELECT actor, act, outcome, details FROM audit.entry WHERE student_id = $1 ORDER BY entry_id",
        number,
    )
    acts = {"record.query", "record.history", "note.query"}
    assert {(row["act"], row["outcome"]) for row in told} == {(one, "read") for one in acts}
    assert len(told) == len(acts)
    assert {row["actor"] for row in told} == {f"staff-pages: 方石 ({LIBRARY.sub})"}
    assert {json.loads(row["details"])["address"] for row in told} == {"127.0.0.1"}


async def test_each_student_found_by_a_name_counts_as_looked_at(
    gateway: RunningGateway, clearance: ReadModelWriter, library: AtWork
) -> None:
    numbers = [new_student_id() for _ in range(2)]
    for number in numbers:
        await clearance.put_case(number, name="司空见惯")
    await library.search("司空见惯")
    assert {student for student, *_ in await looks(gateway)} >= set(numbers)


async def test_a_page_of_the_list_and_a_mass_operation_are_audited(gateway: RunningGateway, library: AtWork) -> None:
    before, number = len(await looks(gateway, "staff.list")), new_student_id()
    await library.list()
    assert len(await looks(gateway, "staff.list")) == before + 1
    sent = {"csrf": library.csrf, "step": "look", "operation": "cancel-card", "students": f"{number} not-a-number!"}
    assert (await library.browser.post(f"{library.address}/mass", sent)).status_code == 200
    assert number in {student for student, *_ in await looks(gateway)}


async def test_what_is_typed_in_the_place_of_a_number_is_not_written_to_the_audit(
    gateway: RunningGateway, library: AtWork
) -> None:
    await library.search(new_student_id())
    address, hidden = library.form("loan", "loan")
    await library.browser.post(address, {**hidden, "student": "<script>" + "x" * 2000})
    assert all(student is None or len(student) <= 32 for student, *_ in await looks(gateway))


async def test_whoever_is_called_with_an_ideographic_space_works_at_the_desk_and_is_named_in_its_audit(
    gateway: RunningGateway, desks: dict[str, ServedDesk], library: AtWork
) -> None:
    renamed = "UPDATE staff_person SET name = $2 WHERE subject = $1"
    await rows(gateway.database, renamed, LIBRARY.sub, "方\u3000石\u200b")
    try:
        number = new_student_id()
        assert (await library.search(number)).status_code == 200
    finally:
        await rows(gateway.database, renamed, LIBRARY.sub, LIBRARY.name)
    found = "SELECT DISTINCT actor FROM audit.entry WHERE student_id = $1"
    told = await rows(desks["library"].database, found, number)
    assert [row["actor"] for row in told] == [f"staff-pages: 方 石 ({LIBRARY.sub})"]
