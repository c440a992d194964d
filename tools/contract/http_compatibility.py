"""Finds breaking changes between two OpenAPI documents of a service. Pure.

A client of the released version must go on: each of its requests is accepted, each answer is read. Schemas are compared
as those of events are: a request is what an old event is to a new reader, an answer what a new event is to an old one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.contract.compatibility import OLD_EVENTS, OLD_READERS, Breakage, breakages

Document = Mapping[str, Any]
CLIENTS: Final = "clients of the released version"
_METHODS: Final = ("get", "put", "post", "delete", "patch")


def http_breakages(released: Document, current: Document) -> tuple[Breakage, ...]:
    return tuple(_Compared(released, current).paths())


class _Compared:
    def __init__(self, released: Document, current: Document) -> None:
        self._released, self._current = released, current

    def paths(self) -> Iterator[Breakage]:
        for path, methods in self._released["paths"].items():
            for method in _METHODS:
                if method not in methods:
                    continue
                name, now = f"{method.upper()} {path}", self._current["paths"].get(path, {}).get(method)
                if now is None:
                    yield Breakage(name, "route removed", CLIENTS)
                else:
                    yield from self._operation(name, methods[method], now)

    def _operation(self, name: str, old: Document, new: Document) -> Iterator[Breakage]:
        if old["operationId"] != new["operationId"]:
            yield Breakage(name, "operationId changed: generated clients call it by that", CLIENTS)
        if not _schemes(new) <= _schemes(old):
            yield Breakage(name, "another way to show who asks is required", CLIENTS)
        yield from self._parameters(name, old, new)
        yield from self._body(name, old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(name, old["responses"], new["responses"])

    def _parameters(self, name: str, old: Document, new: Document) -> Iterator[Breakage]:
        before, after = _parameters(old), _parameters(new)
        for key, parameter in before.items():
            where = f"{name} {' '.join(key)}"
            if key not in after:
                yield Breakage(where, "parameter removed", CLIENTS)
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield Breakage(where, "optional parameter became required", CLIENTS)
            yield from self._schema(where, parameter["schema"], after[key]["schema"], OLD_EVENTS)
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield Breakage(f"{name} {' '.join(key)}", "required parameter added", CLIENTS)

    def _body(self, name: str, old: Document | None, new: Document | None) -> Iterator[Breakage]:
        if old is None:
            if new is not None and new.get("required"):
                yield Breakage(f"{name} body", "required body added", CLIENTS)
            return
        yield from self._content(f"{name} body", old["content"], (new or {}).get("content", {}), OLD_EVENTS)

    def _answers(self, name: str, old: Document, new: Document) -> Iterator[Breakage]:
        for status, answer in old.items():
            if not status.startswith("2"):
                continue
            if status not in new:
                yield Breakage(f"{name} {status}", "answer removed", CLIENTS)
                continue
            now = new[status].get("content", {})
            yield from self._content(f"{name} {status}", answer.get("content", {}), now, OLD_READERS)

    def _content(self, where: str, old: Document, new: Document, whom: str) -> Iterator[Breakage]:
        for media_type, content in old.items():
            if media_type not in new:
                yield Breakage(where, f"{media_type} removed", CLIENTS)
            else:
                yield from self._schema(where, content["schema"], new[media_type]["schema"], whom)

    def _schema(self, where: str, old: Document, new: Document, whom: str) -> Iterator[Breakage]:
        """Only what concerns `whom`: the other direction does not occur."""
        for each in breakages(old, new, within=(self._released, self._current)):
            if whom in each.whom:
                yield Breakage(f"{where} {each.path}", each.what, CLIENTS)


def _parameters(operation: Document) -> dict[tuple[str, str], Document]:
    return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}


def _schemes(operation: Document) -> set[str]:
    return {scheme for requirement in operation.get("security", ()) for scheme in requirement}
