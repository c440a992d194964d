"""RFC 9457 problems that name field and remedy, never the input."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:lixiao:problem:"
_MAX_ERRORS: Final = 50
_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "errors"})


class FieldProblem(TypedDict):
    """`field`: JSON pointer into the body, or `header Idempotency-Key`."""

    field: str
    problem: str
    remedy: str


class Problem(Exception):
    """`slug` makes the `type`; `extensions` become top-level members; a standard one raises `ValueError`."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(slug)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.extensions = dict(extensions or {})
        if reserved := _MEMBERS & self.extensions.keys():
            raise ValueError(f"extensions may not be named {', '.join(sorted(reserved))}")
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"type": _TYPE + self.slug, "title": self.title, "status": self.status}
        if self.detail:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = list(self.errors)
        return {**document, **self.extensions}

    def response(self) -> JSONResponse:
        return JSONResponse(self.document(), self.status, headers=self.headers, media_type=MEDIA_TYPE)


SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem", "remedy"],
                "properties": {name: {"type": "string"} for name in ("field", "problem", "remedy")},
            },
        },
    },
}


_WHEN: Final[Mapping[int, str]] = {
    400: "The body is not JSON.",
    401: "Who asks is not known: no token or session, or one that has ended.",
    403: "The account lacks the role.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand; nothing was changed.",
    412: "The record was changed since.",
    413: "The body is too large.",
    415: "The media type is not accepted.",
    422: "Fields are wrong or missing; nothing was changed.",
    423: "A submission of the student is being decided: try again after the time in Retry-After.",
    428: "If-Match is required here.",
    429: "Too many requests: try again after the time in Retry-After.",
    503: "A dependency does not answer: try again after the time in Retry-After.",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Each with objects of its own: examples are added to some."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _WHEN[status], "content": {MEDIA_TYPE: {"schema": dict(schema)}}} for status in statuses
    }


def of_validation(error: RequestValidationError) -> Problem:
    """422 with an error per field, or 400 for invalid JSON."""
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return Problem(
            400, "malformed-json", "The body is not JSON", detail="Send one JSON document, encoded in UTF-8."
        )
    # FastAPI reads no body of another media type, and finds fault with its bytes.
    unread = isinstance(error.body, bytes) and bool(error.body)
    errors = [
        _NOT_AS_JSON if unread and each["loc"] == ("body",) else _field_problem(each) for each in found[:_MAX_ERRORS]
    ]
    return Problem(
        422,
        "invalid-request",
        "The request has wrong or missing fields",
        detail=f"Correct what `errors` names and send the request again: {len(found)} found, nothing was changed.",
        errors=errors,
    )


_NOT_AS_JSON: Final[FieldProblem] = {
    "field": "header Content-Type",
    "problem": "The body is not sent as JSON, and was not read.",
    "remedy": "Send it with Content-Type: application/json.",
}
_NEUTRAL: Final = {
    "union_tag_invalid": "Not one of the accepted kinds",
    "enum": "Not one of the accepted values",
    "literal_error": "Not one of the accepted values",
}
_SAFE_PART: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")


def _field_problem(error: Mapping[str, Any]) -> FieldProblem:
    kind: str = error["type"]
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    field = _location(error["loc"])
    if not field and kind == "missing":
        return {"field": "", "problem": "The body is missing", "remedy": "Send the JSON that /openapi.json describes."}
    return {
        "field": field,
        "problem": _NEUTRAL.get(kind, message),
        "remedy": _remedy(kind, message, error.get("ctx") or {}),
    }


def _location(loc: Sequence[str | int]) -> str:
    source, parts = (str(loc[0]), loc[1:]) if loc else ("body", ())
    # A member name sent by the client could be a person's: shown only if it looks like a field name.
    shown = [str(part) if isinstance(part, int) or _SAFE_PART.match(str(part)) else "…" for part in parts]
    if source == "body":
        return "".join(f"/{part}" for part in shown)
    return f"{source} {'/'.join(shown)}"


def _remedy(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "Add this field."
    if kind == "extra_forbidden":
        return "Remove this field; /openapi.json lists the accepted ones."
    if "remedy" in context:
        return str(context["remedy"])
    if "expected" in context:
        return f"Send one of: {context['expected']}."
    if "expected_tags" in context:
        return f"Send one of: {context['expected_tags']}."
    head, separator, wanted = message.partition(" should ")
    if separator and head:
        return f"Send a value that should {wanted}." if not wanted.startswith("be ") else f"Send {wanted[3:]}."
    return "Correct the value as `problem` says."
