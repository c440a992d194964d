"""The sentences about what came up after the acceptance, for the clerk and for the student. Pure."""

from schemas.events import UNKNOWN_REASONS, Reason
from services.gateway.case.progress import CaseProgress
from services.gateway.case.view_model import LaterMatter
from services.gateway.case.wording import ViewContext, reason_sentence
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import PhonePart, phone_parts
from services.gateway.read_model.types import ROSTER, OpenException
from services.kit.manifests import DepartmentManifest


def exception_sentences(context: ViewContext, one: OpenException, *, to_student: bool = False) -> tuple[str, ...]:
    """Empty for a department that is not installed any more."""
    if one.department == ROSTER:
        return tuple(_roster_sentence(context.texts, reason) for reason in one.reasons)
    department = context.site.departments.get(one.department)
    if department is None:
        return ()
    return tuple(_department_sentence(context.texts, department, reason, to_student) for reason in one.reasons)


def exception_source(context: ViewContext, one: OpenException) -> tuple[str, tuple[PhonePart, ...]]:
    """Whose matter it is, and whom to call: the phones of the checks it is about."""
    area, department = context.site.university.area_code, context.site.departments.get(one.department)
    if department is None:
        of_roster = one.department == ROSTER
        phone = context.site.university.roster.phone if of_roster else ""
        return context.texts("desk.roster") if of_roster else one.department, phone_parts(phone, area)
    codes = {reason.code for reason in one.reasons}
    checks = [check for check in department.checks if codes & check.reasons.keys()]
    if not checks or codes & UNKNOWN_REASONS:
        checks = list(department.checks)
    phones = dict.fromkeys(phone for check in checks for phone in check.phones)
    title = context.texts.of(department.title)
    if one.former_number:
        title = context.texts("case.under_former", title=title, number=one.former_number)
    return title, tuple(part for phone in phones for part in phone_parts(phone, area))


def later_matter(context: ViewContext, one: OpenException) -> LaterMatter:
    """As the student is told: what, whose, and whom to call."""
    source, phones = exception_source(context, one)
    return LaterMatter(source, exception_sentences(context, one, to_student=True), phones)


def later_matters(context: ViewContext, progress: CaseProgress) -> tuple[LaterMatter, ...]:
    """Of the form that stands."""
    exceptions = progress.accepted.exceptions if progress.accepted else ()
    return tuple(later_matter(context, one) for one in exceptions)


def _department_sentence(texts: Texts, department: DepartmentManifest, reason: Reason, to_student: bool) -> str:
    """The page's words on a reserved code speak to the student."""
    if reason.code in UNKNOWN_REASONS and not to_student:
        return texts(f"desk.{reason.code}", department=texts.of(department.title))
    return reason_sentence(texts, department, reason)


def _roster_sentence(texts: Texts, reason: Reason) -> str:
    """A code of a later release is shown as such: it still has to be confirmed."""
    if f"roster.{reason.code}" not in texts.entries:
        return texts("roster.otherwise", code=reason.code)
    return texts(f"roster.{reason.code}", **reason.parameters)
