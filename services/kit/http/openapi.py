"""A service's OpenAPI document: what FastAPI generates, with roles, problems, tags, servers and recorded answers.

An answer is recorded from the running service into `schemas/openapi/answers/`, so that an example is what it answers.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import schemas
from services.kit.http.problems import SCHEMA, problem_responses

FOLDER: Final = Path(schemas.__file__).parent / "openapi"
ANSWERS: Final = FOLDER / "answers"
TOKEN: Final = "token"
"""Security scheme of desks and systems."""
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_SCHEMAS: Final = "#/components/schemas/"
_HAPPENED: Final = {
    "200": "Done, or found.",
    "201": "Made.",
    "202": "Taken: it is done in the background.",
    "204": "Done; there is nothing to say.",
}

TAGS: Final[Mapping[str, str]] = {
    "audit": "Who did what, and the seals that show a later change.",
    "dead letters": "Records of Kafka that could not be read, to be replayed or discarded.",
    "evidence": "Complete lists, and the questions that refused rows leave open.",
    "holds": "Students whose passed checks a submission under way relies on.",
    "import": "Files of rows: CSV, XLSX or JSON lines.",
    "keys": "Keys that records and forms are signed with: public parts.",
    "republications": "Publishing again what Kafka or the view has lost.",
    "statuses": "What was published about a student.",
    "tokens": "Access tokens of desks and systems, without the tokens.",
}
"""Of routes that several services have."""


class Interface(NamedTuple):
    """`tags`: of the service's own routes, with what they are about. `address`: host and port, as an example."""

    service: str
    tags: Mapping[str, str] = {}
    address: str = ""


def complete(document: dict[str, Any], interface: Interface) -> None:
    """In place."""
    document["info"] |= {
        "contact": {"name": "The operators of this installation"},
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    document["servers"] = _servers(interface)
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = SCHEMA
    answers = _answers(interface.service)
    used: set[str] = set()
    for operation in operations(document):
        used.update(operation.get("tags", ()))
        _name_roles(operation)
        _add_problems(operation)
        _say_what_happened(operation)
        _add_answers(operation, answers.get(operation["operationId"], {}))
        _share_problems(operation, document["components"])
    _drop_unused_schemas(document)
    known = {**TAGS, **interface.tags}
    document["tags"] = [{"name": name, "description": known[name]} for name in sorted(used & known.keys())]


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document.get("paths", {}).values():
        yield from (path[method] for method in _METHODS if method in path)


def _servers(interface: Interface) -> list[dict[str, Any]]:
    example = interface.address or f"{interface.service or 'localhost'}:8080"
    return [
        {"url": "/", "description": "The service that serves this document."},
        {
            "url": "https://{address}",
            "description": "The service at its own address.",
            "variables": {"address": {"default": example, "description": "Host and port."}},
        },
    ]


def _name_roles(operation: dict[str, Any]) -> None:
    """In words, and not as scopes: those would all be required together, where one of several roles is enough."""
    security = operation.get("security", ())
    roles = sorted({role for requirement in security for scopes in requirement.values() for role in scopes})
    if roles:
        operation["security"] = [{scheme: [] for scheme in requirement} for requirement in security]
        named = " or ".join(f"`{role}`" for role in roles)
        operation["description"] = f"{operation.get('description', '')}\n\nRole: {named}.".strip()


def _add_problems(operation: dict[str, Any]) -> None:
    """What a route may be answered with before its own code runs."""
    statuses = {503}
    if operation.get("security"):
        statuses |= {401, 403}
        statuses |= {429} if any(TOKEN in one for one in operation["security"]) else set()
    if "requestBody" in operation:
        statuses |= {400, 413}
    if "requestBody" in operation or "parameters" in operation:
        statuses.add(422)
    problems = {str(status): response for status, response in problem_responses(*statuses).items()}
    # FastAPI shares what routers declare among their routes; examples are one route's.
    operation["responses"] = copy.deepcopy(dict(sorted({**problems, **operation["responses"]}.items())))


def _share_problems(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """A problem without examples of its own is described once."""
    for status, response in operation["responses"].items():
        if status[0] in "45" and response == problem_responses(int(status))[int(status)]:
            components.setdefault("responses", {})[f"Problem{status}"] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _say_what_happened(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        if response["description"] == "Successful Response":
            response["description"] = _HAPPENED[status]


def _add_answers(operation: dict[str, Any], answers: Mapping[str, list[dict[str, Any]]]) -> None:
    """`answers`: status → what was answered."""
    for status, response in operation["responses"].items():
        for one in answers.get(status, ()):
            if content := response.get("content", {}).get(one["media_type"]):
                content.setdefault("examples", {})[one["name"]] = {"value": one["body"]}


def _drop_unused_schemas(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for name in [name for name in schemas if f'"{_SCHEMAS}{name}"' not in text]:
        del schemas[name]


def _answers(service: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Operation → status → answers; none of a service that has no recorded ones."""
    path = ANSWERS / f"{service}.json"
    recorded: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(path.read_bytes()) if path.is_file() else {}
    return recorded
