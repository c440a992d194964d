"""离校流程单 as a PDF: what the completed page shows, on one A4 page."""

import asyncio
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from services.gateway.case.view_model import CheckView, FormView
from services.gateway.i18n.catalogue import Texts
from services.gateway.printing.typst import square
from services.gateway.read_model.types import StudentSnapshot
from services.gateway.routes.dependencies import Language, Parts, SignedIn
from services.gateway.university import Site
from services.kit.http.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/me/form.pdf")
async def form_pdf(parts: Parts, session: SignedIn, t: Language) -> Response:
    """The student's own form, as it was accepted. 404 when nothing was accepted."""
    reading, page = await parts.case_page(session, t)
    if page.standing == "away":
        raise Problem(503, "unreadable", title="The form cannot be read now", headers={"Retry-After": "10"})
    if page.form is None or not isinstance(reading, StudentSnapshot) or reading.submission is None:
        raise HTTPException(404)
    verify = f"{parts.settings.origin}/verify"
    image = await asyncio.to_thread(square, page.form.qr_text)
    document = form_document(page.form, parts.renderer.house, t, verify_address=verify, image=image)
    pdf = await parts.printer.pdf(document, reading.submission.accepted_at)
    name = f"{t.of(parts.renderer.house.university.form_title)}-{page.form.form_number}.pdf"
    plain = f"form-{page.form.form_number}.pdf"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": disposition})


def form_document(form: FormView, house: Site, t: Texts, *, verify_address: str, image: str) -> dict[str, Any]:
    """What the template sets: texts, lists of texts, and the image. Pure."""
    university = house.university
    return {
        "lang": t.language,
        "university": t.of(university.name),
        "title": t.of(university.form_title),
        "number": [t("me.form_number"), form.form_number],
        "accepted": [t("form.accepted"), form.accepted.exact],
        "code": [t("form.code"), form.code],
        "purpose": t("form.purpose", certificates=t.of(university.certificates)),
        "basics_title": t("basics.title"),
        "basics": [[field.label, field.value] for field in form.basics],
        "checks_title": t("case.items"),
        "attested": t("form.facts_as_attested") if form.groups else t("form.no_facts"),
        "checks": [_check(line, t) for group in form.groups for line in group.lines],
        "verify": t("form.verify", address=verify_address),
        "image": image,
        "image_alt": t("form.square"),
    }


def _check(line: CheckView, t: Texts) -> dict[str, Any]:
    table = line.table
    freshness = line.freshness
    return {
        "title": line.title,
        "verdict": line.verdict,
        "at": t("form.attested_at", at=freshness.true_at.exact) if freshness else "",
        "facts": [[f"{fact.group} {fact.label}".strip(), fact.value] for fact in line.facts],
        "columns": [column.label for column in table.columns] if table and table.rows else [],
        "numeric": [column.numeric for column in table.columns] if table and table.rows else [],
        "rows": [list(row) for row in table.rows] if table else [],
        "total": list(table.total) if table and table.total else [],
        "empty": table.empty if table else "",
    }
