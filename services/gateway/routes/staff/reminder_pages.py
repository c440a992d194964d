"""A reminder to those of a list: looked at first, then sent once, then what became of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from services.gateway.read_model.students import ReadModelError
from services.gateway.routes.dependencies import RETRY, Due, ReminderService, ReminderTable, StaffPeopleTable, WorkLists
from services.gateway.routes.staff.reminding import AtOffice, AtProgress, Place, ReminderForm, SentReminder
from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.gateway.staff.reminders.answers import Missed, Preview, Result
from services.gateway.staff.reminders.client import MAX_STUDENTS
from services.gateway.tables.reminders import Press
from services.gateway.web.csrf import check_csrf
from services.kit.http.problems import Problem

router = APIRouter(include_in_schema=False)
RESULTS: Final = ("sent", "waiting", "done", "recent", "unwanted", "no-address", "failed")
_NOT: Final = ("done", "recent", "unwanted", "no-address")


@dataclass(frozen=True, slots=True)
class Reminding:
    service: ReminderService
    table: ReminderTable
    due: Due
    people: StaffPeopleTable
    lists: WorkLists

    async def press(self, place: Place, form: ReminderForm) -> Response:
        """A look first. A press that means more students than were looked at is looked at again."""
        check_csrf(place.session, form.csrf)
        if not self.service.is_configured:
            return _says(place, "remind.off", 404)
        key = _key(form.key) if form.seen else None
        if key and (before := await self.table.find(key)) and place.owns(before):
            return _to_result(place, key)
        students = await place.listed(form)
        if len(students) > MAX_STUDENTS:
            return _says(place, "remind.too_many", 422, most=MAX_STUDENTS)
        if not students:
            return _says(place, "remind.nobody_picked" if form.whom == "picked" else "remind.nobody", 422)
        try:
            meant = await self.due.of(students, place.department, place.context.now)
            preview = await self.service.preview(place.person, meant)
        except ReadModelError:
            raise Problem(503, "unreadable", title="Students cannot be read now", headers=RETRY) from None
        except (DeskUnavailable, DeskRefused):
            return _says(place, "remind.away", 503)
        if key and 0 < preview.taken <= int(form.seen):
            await self.table.send(place.session, Press(key, place.area, place.colleges, form.named()), meant)
            return _to_result(place, key)
        counts = {"waits": len(students) - len(meant), **{name: preview.outcomes.get(name, 0) for name in _NOT}}
        return await self._look(place, form, len(students), counts, preview)

    async def result(self, place: Place, reminder_id: UUID, *, missed: bool) -> Response:
        """`missed`: with who was not reached. Raises a 404 `Problem` for another place's."""
        reminder = await self.table.find(reminder_id)
        if reminder is None or not place.owns(reminder):
            raise Problem(404, "unknown-reminder", title="No such reminder")
        try:
            result, away = await self.service.result(place.person, reminder_id), False
        except (DeskUnavailable, DeskRefused):
            result, away = Result(), True
        counts = Counter(result.results)
        counts["waiting"] += reminder.students - result.known
        return place.page(
            "staff_reminder.html",
            place=place,
            reminder=reminder,
            by=await self.people.name_of(reminder.account),
            at=place.context.local_time(reminder.asked_at),
            filters=_filters(place, reminder.filters),
            away=away,
            counts=[(name, counts[name]) for name in RESULTS if counts[name]],
            waiting=counts["waiting"],
            any_missed=bool(result.missed),
            missed=await self._named(place, result.missed) if missed else (),
        )

    async def _look(
        self, place: Place, form: ReminderForm, students: int, counts: Mapping[str, int], preview: Preview
    ) -> Response:
        newest = await self.table.newest(place.area, place.colleges)
        names = await self.people.names_of({one.account for one in newest})
        by_time = [(one, names.get(one.account, one.account), place.context.local_time(one.asked_at)) for one in newest]
        return place.page(
            "staff_remind.html",
            place=place,
            form=form,
            students=students,
            preview=preview,
            counts={name: count for name, count in counts.items() if count},
            lines=[(_title(place, subject), count) for subject, count in preview.lines.items()],
            changed=bool(form.seen),
            key=uuid4(),
            newest=by_time,
            filters=_filters(place, form.named()),
        )

    async def _named(self, place: Place, missed: Sequence[Missed]) -> list[tuple[str, str, str]]:
        """Number, name and why. Audited."""
        numbers = [one.student_id for one in missed]
        await place.look_up(numbers)
        names = await self.lists.names(numbers)
        return [(one.student_id, names.get(one.student_id, ""), one.result) for one in missed]


CurrentReminding = Annotated[Reminding, Depends(Reminding)]


@router.get("/staff/{department}/remind")
async def office_from_the_start(place: AtOffice) -> Response:
    """After a change of language, or a reload without its form."""
    return RedirectResponse(place.list_address, 303)


@router.get("/progress/remind")
async def progress_from_the_start(place: AtProgress) -> Response:
    return RedirectResponse(place.list_address, 303)


@router.post("/staff/{department}/remind")
async def from_work_list(place: AtOffice, reminding: CurrentReminding, form: SentReminder) -> Response:
    return await reminding.press(place, form)


@router.post("/progress/remind")
async def from_progress(place: AtProgress, reminding: CurrentReminding, form: SentReminder) -> Response:
    return await reminding.press(place, form)


@router.get("/staff/{department}/reminders/{reminder_id}")
async def result_at_office(
    place: AtOffice, reminding: CurrentReminding, reminder_id: UUID, missed: bool = False
) -> Response:
    return await reminding.result(place, reminder_id, missed=missed)


@router.get("/progress/reminders/{reminder_id}")
async def result_at_progress(
    place: AtProgress, reminding: CurrentReminding, reminder_id: UUID, missed: bool = False
) -> Response:
    return await reminding.result(place, reminder_id, missed=missed)


def _says(place: Place, key: str, status: int, **values: Any) -> Response:
    return place.page("staff_remind_not.html", status=status, place=place, words=place.context.texts(key, **values))


def _to_result(place: Place, reminder_id: UUID) -> Response:
    return RedirectResponse(f"{place.address}/reminders/{reminder_id}", 303)


def _title(place: Place, subject: str) -> str:
    department, _, check = subject.partition("/")
    manifest = place.context.site.departments.get(department)
    titles = {one.name: one.title for one in manifest.checks} if manifest else {}
    return place.context.texts.of(titles[check]) if check in titles else check


def _filters(place: Place, named: Mapping[str, str]) -> list[str]:
    """Whom was meant, in words."""
    texts = place.context.texts
    if "picked" in named:
        return [texts("remind.picked", count=int(named["picked"]))]
    words = [named.get("college", ""), named.get("cohort", ""), place.reasons.get(named.get("reason", ""), "")]
    words += [texts("staff.comments_waiting")] if named.get("comment") else []
    return [one for one in words if one] or [texts("remind.everybody")]


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
