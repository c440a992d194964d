"""An operation as a form, made from the JSON Schema of its body; and what was typed as a body. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.gateway.i18n.catalogue import Texts
from services.gateway.staff.desk.desk_answers import DeskOperation
from services.kit.manifests import DepartmentManifest

STUDENT: Final = "student_id"
Kind = Literal["text", "money", "number", "date", "yes", "choice"]


@dataclass(frozen=True, slots=True)
class Input:
    """`fixed`: not shown. `options`: value and label, of a choice."""

    name: str
    label: str
    kind: Kind
    required: bool
    value: str = ""
    error: str = ""
    example: str = ""
    options: tuple[tuple[str, str], ...] = ()
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class OperationView:
    """`anchor`: of the form it was sent from. `error`: of the whole."""

    name: str
    label: str
    inputs: tuple[Input, ...]
    anchor: str
    error: str = ""

    @property
    def at_once(self) -> bool:
        return not any(not one.fixed for one in self.inputs)

    @property
    def wrong(self) -> bool:
        return bool(self.error) or any(one.error for one in self.inputs)


@dataclass(frozen=True, slots=True)
class Typed:
    """A form that was sent and not done. `errors`: by field, of the whole under the empty name."""

    anchor: str
    values: Mapping[str, str]
    errors: Mapping[str, str]


def operation_view(
    texts: Texts,
    department: DepartmentManifest,
    operation: DeskOperation,
    anchor: str,
    *,
    line: Mapping[str, Any] | None = None,
    begin: Mapping[str, str] | None = None,
    typed: Typed | None = None,
) -> OperationView:
    """`line`: of the record's list it stands beside. `begin`: what fields begin with."""
    manifest = department.operations.get(operation.name)
    sent = typed if typed is not None and typed.anchor == anchor else None
    fixed = {name: str(line[name]) for name in (manifest.line if manifest else ()) if line and line.get(name)}
    values = {**(begin or {}), **(sent.values if sent else {}), **fixed}
    errors = sent.errors if sent else {}
    inputs = tuple(
        _input(texts, department, operation.body, name, values.get(name, ""), errors.get(name, ""), name in fixed)
        for name in operation.body.get("properties", {})
        if name != STUDENT
    )
    shown = {one.name for one in inputs if not one.fixed}
    rest = [text for name, text in errors.items() if name not in shown]
    return OperationView(
        operation.name, operation_label(texts, department, operation), inputs, anchor, " ".join(dict.fromkeys(rest))
    )


def operation_label(texts: Texts, department: DepartmentManifest, operation: DeskOperation) -> str:
    manifest = department.operations.get(operation.name)
    return texts.of(manifest.label) if manifest else operation.summary


def label_of(texts: Texts, department: DepartmentManifest, name: str) -> str:
    """Of a field, a list or a reason's code; its name when the manifest has none."""
    return texts.of(department.labels[name]) if name in department.labels else name


def body_of(operation: DeskOperation, values: Mapping[str, str]) -> dict[str, Any]:
    """Of the fields it has; what is empty is left out."""
    body: dict[str, Any] = {}
    for name in operation.body.get("properties", {}):
        kind = _kind(operation.body, name)
        value = values.get(name, "").strip()
        if kind == "yes":
            body[name] = value == "yes"
        elif value:
            body[name] = int(value) if kind == "number" and value.isascii() and value.isdigit() else value
    return body


def _input(
    texts: Texts,
    department: DepartmentManifest,
    schema: Mapping[str, Any],
    name: str,
    value: str,
    error: str,
    fixed: bool,
) -> Input:
    part = _resolved(schema, schema["properties"][name])
    examples = part.get("examples") or [""]
    options = tuple((str(one), _code_label(texts, department, name, str(one))) for one in part.get("enum", ()))
    return Input(
        name,
        label_of(texts, department, name),
        _kind(schema, name),
        name in schema.get("required", ()),
        value,
        error,
        str(examples[0]),
        options,
        fixed,
    )


def _code_label(texts: Texts, department: DepartmentManifest, field: str, code: str) -> str:
    for check in department.checks:
        for fact in check.fields:
            if fact.name == field and code in fact.codes:
                return texts.of(fact.codes[code])
    return code


def _kind(schema: Mapping[str, Any], name: str) -> Kind:
    part = _resolved(schema, schema["properties"][name])
    if "enum" in part:
        return "choice"
    kinds = {one.get("type") for one in part.get("anyOf", ())}
    if "number" in kinds:
        return "money"
    if part.get("format") == "date":
        return "date"
    by_type: dict[str, Kind] = {"boolean": "yes", "integer": "number"}
    return by_type.get(part.get("type", ""), "text")


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows a reference, and takes the one part beside null."""
    if "$ref" in part:
        return _resolved(schema, schema["$defs"][part["$ref"].rpartition("/")[2]])
    others: Sequence[Mapping[str, Any]] = [one for one in part.get("anyOf", ()) if one.get("type") != "null"]
    return _resolved(schema, others[0]) if len(others) == 1 else part
