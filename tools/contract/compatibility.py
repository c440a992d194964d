"""Finds breaking changes between two versions of a JSON Schema. Pure.

Old readers must read new events and the reverse. Compatible changes are listed; any other breaks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

OLD_READERS: Final = "readers of the released version refuse or misread new events"
OLD_EVENTS: Final = "new readers refuse events that are already published"
BOTH: Final = f"{OLD_READERS}; {OLD_EVENTS}"

_TEXTS: Final = frozenset({"title", "description", "examples", "$comment", "deprecated", "$defs"})
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_SUBSCHEMA: Final = frozenset({"items", "propertyNames"})
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Breakage:
    """Where in the document, what, and whom it affects."""

    path: str
    what: str
    whom: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what} ({self.whom})"


def breakages(
    released: Schema, current: Schema, *, within: tuple[Schema, Schema] | None = None
) -> tuple[Breakage, ...]:
    """`within`: the documents that references point into, where they are not the schemas themselves."""
    return tuple(_Walk(*(within or (released, current))).node(released, current, "$"))


@dataclass(frozen=True, slots=True)
class _Walk:
    released: Schema
    current: Schema

    def node(self, old: Schema, new: Schema, path: str) -> Iterator[Breakage]:
        old, new = _resolved(self.released, old), _resolved(self.current, new)
        yield from self._properties(old, new, path)
        for keyword in sorted((old.keys() | new.keys()) - _TEXTS - {"properties", "required"}):
            before, after = old.get(keyword, _MISSING), new.get(keyword, _MISSING)
            if before != after or keyword in _SUBSCHEMA | _LISTED | {"additionalProperties", "patternProperties"}:
                yield from self._keyword(keyword, before, after, path)

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[Breakage]:
        before, after = old.get("properties", {}), new.get("properties", {})
        demanded, demands = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            field = f"{path}.{name}"
            if name not in after:
                closed = new.get("additionalProperties") is False
                yield Breakage(field, "field removed", BOTH if closed else OLD_READERS)
                continue
            if name in demands - demanded:
                yield Breakage(field, "optional field became required", OLD_EVENTS)
            if name in demanded - demands:
                yield Breakage(field, "required field became optional", OLD_READERS)
            yield from self.node(before[name], after[name], field)
        for name in sorted(demands - before.keys()):
            yield Breakage(f"{path}.{name}", "required field added", OLD_EVENTS)
        if old.get("additionalProperties") is False:
            for name in sorted(after.keys() - before.keys()):
                yield Breakage(f"{path}.{name}", "field added to a closed object", OLD_READERS)

    def _keyword(self, keyword: str, before: Any, after: Any, path: str) -> Iterator[Breakage]:
        if keyword == "enum":
            yield from _enum(before, after, path)
        elif keyword in _LOWER | _UPPER:
            yield _bound(keyword, before, after, path)
        elif keyword == "additionalProperties" and False in (before, after) and before is not after:
            closed = after is False
            what = "additionalProperties closed" if closed else "additionalProperties opened"
            yield Breakage(path, what, OLD_EVENTS if closed else OLD_READERS)
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            if keyword == "patternProperties":
                yield from self._patterned(before, after, path)
            else:
                yield from self.node(before, after, f"{path}.{keyword}")
        elif keyword in _LISTED and isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            for index, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from self.node(one, other, f"{path}.{keyword}[{index}]")
        elif before != after:
            yield Breakage(path, f"{keyword} {_manner(before, after)}", BOTH)

    def _patterned(self, before: Schema, after: Schema, path: str) -> Iterator[Breakage]:
        for pattern in sorted(before.keys() | after.keys()):
            if pattern in before and pattern in after:
                yield from self.node(before[pattern], after[pattern], f"{path}./{pattern}/")
            else:
                yield Breakage(path, f"patternProperties {pattern} {'removed' if pattern in before else 'added'}", BOTH)


def _resolved(root: Schema, schema: Schema) -> Schema:
    """There are no recursive definitions."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target = root
    for name in reference.removeprefix("#/").split("/"):
        target = target[name]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**_resolved(root, target), **beside}


def _enum(before: Any, after: Any, path: str) -> Iterator[Breakage]:
    if not (isinstance(before, list) and isinstance(after, list)):
        yield Breakage(path, f"enum {_manner(before, after)}", BOTH)
        return
    for value in after:
        if value not in before:
            yield Breakage(path, f"enum value added: {value!r}", OLD_READERS)
    for value in before:
        if value not in after:
            yield Breakage(path, f"enum value removed: {value!r}", OLD_EVENTS)


def _bound(keyword: str, before: Any, after: Any, path: str) -> Breakage:
    if before is _MISSING or after is _MISSING:
        narrowed = before is _MISSING
    else:
        narrowed = (after > before) if keyword in _LOWER else (after < before)
    whom = OLD_EVENTS if narrowed else OLD_READERS
    return Breakage(path, f"{keyword} {'narrowed' if narrowed else 'widened'}", whom)


def _manner(before: Any, after: Any) -> str:
    if before is _MISSING:
        return "added"
    return "removed" if after is _MISSING else "changed"


def without_additions(released: Schema, current: Schema) -> dict[str, Any]:
    """jsoncompat counts added optional fields as breaking, although readers ignore them."""
    stripped: dict[str, Any] = _stripped(released, current)
    return stripped


def _stripped(old: Any, new: Any) -> Any:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    stripped = dict(new)
    if isinstance(new.get("properties"), Mapping) and isinstance(old.get("properties"), Mapping):
        required = new.get("required", ())
        stripped["properties"] = {
            name: part for name, part in new["properties"].items() if name in old["properties"] or name in required
        }
    return {key: _stripped(old.get(key), value) for key, value in stripped.items()}
