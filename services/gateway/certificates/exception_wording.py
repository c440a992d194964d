"""The sentences about what came up after the acceptance, for the clerk. Pure."""

from schemas.events import UNKNOWN_REASONS, Reason
from services.gateway.case.wording import ViewContext, reason_sentence
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.types import ROSTER, OpenException
from services.kit.manifests import DepartmentManifest


def exception_sentences(context: ViewContext, one: OpenException) -> tuple[str, ...]:
    """Empty for a department that is not installed any more."""
    if one.department == ROSTER:
        return tuple(_roster_sentence(context.texts, reason) for reason in one.reasons)
    department = context.site.departments.get(one.department)
    if department is None:
        return ()
    return tuple(_department_sentence(context.texts, department, reason) for reason in one.reasons)


def _department_sentence(texts: Texts, department: DepartmentManifest, reason: Reason) -> str:
    """The page's words on a reserved code speak to the student."""
    if reason.code in UNKNOWN_REASONS:
        return texts(f"desk.{reason.code}", department=texts.of(department.title))
    return reason_sentence(texts, department, reason)


def _roster_sentence(texts: Texts, reason: Reason) -> str:
    """A code of a later release is shown as such: it still has to be confirmed."""
    if f"roster.{reason.code}" not in texts.entries:
        return texts("roster.otherwise", code=reason.code)
    return texts(f"roster.{reason.code}", **reason.parameters)
