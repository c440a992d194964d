"""Whether page, record and topic say the same: nothing of them is taken from what a service says of itself."""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import httpx
from aiokafka.errors import KafkaError

from schemas.codec import Unreadable, read
from schemas.events import CaseChanged, Message, StatusChanged, SubmissionAccepted
from schemas.flows import CLEARANCE
from services.gateway.case.decision import CheckState
from services.kit.postgres.pool import DATABASE_ERRORS
from tests.drill.stage import Stage
from tests.support.kafka.topics import everything

_AWAY: Final = (*DATABASE_ERRORS, KafkaError, httpx.HTTPError)
_VIEW: Final = "SELECT * FROM published.status_v1 WHERE department = $1 AND version > 0"


async def difference(stage: Stage, since: datetime) -> str | None:
    """The first one, as a sentence. Alive marks older than `since` are no agreement: the page would be 待同步."""
    try:
        for department in stage.installation.departments:
            found = await _department(stage, department, since)
            if found is not None:
                return f"{department}: {found}"
        return await _cases(stage) or await _forms(stage) or await _page(stage)
    except _AWAY as error:
        return type(error).__name__


async def _department(stage: Stage, department: str, since: datetime) -> str | None:
    records = await stage.records(department)
    if not records.keys() >= set(stage.students):
        return "students have no status"
    view: dict[str, tuple[int, Any]] = {}
    for row in await (await stage.installation.database(CLEARANCE)).fetch(_VIEW, department):
        if not row["readable"]:
            return "a line of the view is unreadable"
        if row["alive_as_of"] is None or row["alive_as_of"] < since:
            return "the view is stale"
        view[row["student_id"]] = row["version"], json.loads(row["status"])["checks"]
    if view != records:
        return f"the view differs for {_differing(view, records)} students"
    topic = await _topic(stage, department)
    return None if topic == records else f"the topic differs for {_differing(topic, records)} students"


async def _topic(stage: Stage, department: str) -> dict[str, tuple[int, Any]]:
    """What compaction keeps."""
    events = await _events(stage, stage.installation.topics.status(department))
    return {
        event.student_id: (event.version, json.loads(event.model_dump_json())["checks"])
        for event in events
        if isinstance(event, StatusChanged)
    }


async def _events(stage: Stage, topic: str) -> list[Message]:
    """In the order of each key."""
    found = []
    for record in await everything(stage.installation.kafka, topic):
        with suppress(Unreadable):
            if record.value is not None:
                found.append(read(record.value))
    return found


async def _cases(stage: Stage) -> str | None:
    """Departments that start with an empty database read the cases from their topic."""
    rows = await (await stage.installation.database(CLEARANCE)).fetch("SELECT * FROM published.case_v1")
    events = await _events(stage, stage.installation.topics.case)
    newest = {event.student_id: event.version for event in events if isinstance(event, CaseChanged)}
    return None if newest == {row["student_id"]: row["version"] for row in rows} else "the topic of cases differs"


async def _forms(stage: Stage) -> str | None:
    """Each accepted form is there under its number, and in the topic too; the case is completed."""
    events = await _events(stage, stage.installation.topics.submission)
    said = {event.student_id: event.form_number for event in events if isinstance(event, SubmissionAccepted)}
    if said != stage.accepted:
        return "the topic does not have each accepted form"
    rows = await (await stage.installation.database(CLEARANCE)).fetch(
        "SELECT student_id, form_number, state FROM published.submission_v1 JOIN published.case_v1 USING (student_id)"
    )
    forms = {row["student_id"]: row["form_number"] for row in rows if row["state"] == "completed"}
    return None if forms == stage.accepted else "the accepted forms are not the ones that were given"


async def _page(stage: Stage) -> str | None:
    """The watched student, signed in anew."""
    browser = await stage.browser(stage.watched)
    try:
        answer = await browser.get("/api/v1/checks")
    finally:
        await browser.close()
    if answer.status_code != 200:
        return f"the page answers {answer.status_code}"
    shown = {(one["department"], one["check"]): one["state"] for one in answer.json()}
    expected = {
        (department, check["check"]): _state(check)
        for department in stage.installation.departments
        for check in (await stage.records(department))[stage.watched.student_id or ""][1]
    }
    return None if shown == expected else "the page differs"


def _state(check: dict[str, Any]) -> str:
    return CheckState.CLEAR if check["verdict"] == "clear" else CheckState.BLOCKED


def _differing(some: dict[str, tuple[int, Any]], others: Any) -> int:
    return sum(some.get(key) != others.get(key) for key in some.keys() | others.keys())
