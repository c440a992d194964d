"""What stands on a form, in order: the page shows it, and the PDF prints it."""

from typing import Any

from services.gateway.case.view_model import CheckView, FormView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.printing.qr_image import CHECK_PATH


def form_document(context: ViewContext, form: FormView, *, origin: str) -> dict[str, Any]:
    """Strings, lists and dictionaries only: the PDF's template gets it as JSON."""
    texts, university = context.texts, context.site.university
    certificates = texts.of(university.certificates)
    return {
        "lang": texts.language,
        "university": texts.of(university.name),
        "title": texts.of(university.form_title),
        "number": [texts("me.form_number"), form.form_number],
        "replaces": texts("form.replaces", number=form.replaces) if form.replaces else "",
        "accepted": [texts("form.accepted"), form.accepted.exact],
        "code": [texts("form.code"), form.code],
        "purpose": texts("form.purpose", certificates=certificates),
        "image_alt": texts("form.square"),
        "student_title": texts("student.title"),
        "student": [[field.label, field.value] for field in form.student],
        "checks_title": texts("case.items"),
        "attested": texts("form.facts_as_attested") if form.groups else texts("form.no_facts"),
        "checks": [_check(line, texts) for group in form.groups for line in group.lines],
        "desk_title": texts("form.desk"),
        "desk": [
            [[texts("form.handed"), texts("form.handed_choice", certificates=certificates)]],
            [[texts("form.receiver"), ""], [texts("form.date"), ""]],
            [[texts("form.clerk"), ""], [texts("form.date"), ""]],
        ],
        "seal": texts("form.seal"),
        "verify": texts("form.verify", address=f"{origin}{CHECK_PATH}"),
    }


def _check(line: CheckView, texts: Texts) -> dict[str, Any]:
    table = line.table
    freshness = line.freshness
    return {
        "state": line.state.value,
        "title": line.title,
        "mark": "—" if line.waiver else "✓",
        "verdict": line.verdict,
        "waiver": line.waiver,
        "facts": [[f"{fact.group} {fact.label}".strip(), fact.value] for fact in line.facts],
        "columns": [column.label for column in table.columns] if table and table.rows else [],
        "numeric": [column.numeric for column in table.columns] if table and table.rows else [],
        "rows": [list(row) for row in table.rows] if table else [],
        "empty": table.empty if table else "",
        "total": list(table.total) if table and table.total else [],
        "at": texts("form.attested_at", at=freshness.true_at.exact) if freshness else "",
    }
