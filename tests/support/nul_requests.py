"""Requests with a NUL in each text of their body, made from a service's own OpenAPI document.

JSON can spell a NUL, and PostgreSQL stores none: what no field's pattern refuses would be a 500.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

Steps = tuple[str | int, ...]
METHODS: Final = ("post", "put", "patch")
BY_FORMAT: Final = {
    "date": "2026-06-05",
    "date-time": "2026-06-05T08:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000001",
}


@dataclass(frozen=True, slots=True)
class Request:
    """`where`: the steps to the text that ends with a NUL; empty for the body as it should be."""

    method: str
    path: str
    where: Steps
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} {'/'.join(map(str, self.where))}"


def requests_with_nul(document: Mapping[str, Any], character: str = "\0") -> Iterator[Request]:
    """For each operation that takes JSON: one without a NUL, then one for each text, of optional fields too.

    The `character` may be another that no text may have.
    """
    for path, operations in document["paths"].items():
        for method in METHODS:
            media = operations.get(method, {}).get("requestBody", {}).get("content", {}).get("application/json")
            if media is None:
                continue
            body, optional = _bodies(document, media)
            yield Request(method.upper(), path, (), body)
            for where in _texts(body):
                yield Request(method.upper(), path, where, _with(body, where, character))
            for name, value in optional.items():
                for where in _texts(value, (name,)):
                    yield Request(method.upper(), path, where, _with({**body, name: value}, where, character))


def _bodies(document: Mapping[str, Any], media: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """A body, and values of the fields that it leaves out."""
    schema = _resolved(document, media["schema"])
    whole = _of_type(document, schema)
    least = {name: value for name, value in whole.items() if name in schema.get("required", ())}
    examples = [example["value"] for example in media.get("examples", {}).values()] or schema.get("examples") or [least]
    return examples[0], {name: value for name, value in whole.items() if name not in examples[0]}


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """The schema's example, else the least that fits."""
    schema = _resolved(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    for either in ("anyOf", "oneOf", "allOf"):
        if either in schema:
            return _sample(document, schema[either][0])
    if "const" in schema:
        return schema["const"]
    return schema["enum"][0] if "enum" in schema else _of_type(document, schema)


def _of_type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            return {name: _sample(document, value) for name, value in schema.get("properties", {}).items()}
        case "array":
            return [_sample(document, schema["items"])]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    return BY_FORMAT.get(schema.get("format", ""), "x" * schema.get("minLength", 1))


def _texts(value: Any, where: Steps = ()) -> Iterator[Steps]:
    if isinstance(value, str):
        yield where
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield from _texts(one, (*where, step))


def _with(body: Any, where: Steps, character: str) -> Any:
    changed = deepcopy(body)
    inner = changed
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] += character
    return changed
