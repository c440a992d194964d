"""A student's roster entry as a form; and what was typed over what the roster has by now. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.gateway.i18n.catalogue import Texts
from services.gateway.staff.desk.operation_form import Input, Kind

REQUIRED: Final = ("name", "gender", "college", "major", "grade", "enrolled_on", "leave_category")
FIELDS: Final = (*REQUIRED, "cohort", "degree_level", "campus", "study_form")
_KINDS: Final[Mapping[str, Kind]] = {"enrolled_on": "date", "leave_category": "choice"}
_EXAMPLES: Final = {"enrolled_on": "2023-09-01", "grade": "2023级", "cohort": "2026"}


def inputs(
    texts: Texts, values: Mapping[str, Any], errors: Mapping[str, str], categories: Sequence[str]
) -> tuple[Input, ...]:
    """`categories`: leave categories of the configuration; the roster may have another word, which stays."""
    words = dict.fromkeys((*categories, str(values.get("leave_category") or "")))
    return tuple(
        Input(
            name=name,
            label=texts(f"roster_page.field_{name}"),
            kind=_KINDS.get(name, "text"),
            required=name in REQUIRED,
            value=str(values.get(name) or ""),
            error=errors.get(name, ""),
            example=_EXAMPLES.get(name, ""),
            options=tuple((one, one) for one in words if one) if name == "leave_category" else (),
        )
        for name in FIELDS
    )


def body_of(student_id: str, typed: Mapping[str, str]) -> dict[str, Any]:
    return {"student_id": student_id, **{name: typed[name].strip() or None for name in FIELDS if name in typed}}


def corrected(
    current: Mapping[str, Any], shown: Mapping[str, str], typed: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body: what was typed over what is there by now; and fields that others changed meanwhile to another value.

    `shown`: what the form began with. A field that was left as it was shown stays as it is.
    """
    body, clashes = {"student_id": current["student_id"]}, []
    for name in FIELDS:
        is_now, was, wanted = (str(one.get(name) or "").strip() for one in (current, shown, typed))
        if wanted != was and is_now not in (was, wanted):
            clashes.append(name)
        body[name] = (wanted if wanted != was else is_now) or None
    return body, tuple(clashes)


def missing(texts: Texts, body: Mapping[str, Any]) -> dict[str, str]:
    return {name: texts("staff.field_missing") for name in REQUIRED if not body.get(name)}


def wrong(texts: Texts, field: str, problem: str) -> str:
    """What is wrong with what was typed, in the language of the page; `problem` as the clearance says it."""
    if texts.language == "en":
        return problem
    example = _EXAMPLES.get(field)
    return texts("staff.field_wrong_like", example=example) if example else texts("staff.field_wrong")
