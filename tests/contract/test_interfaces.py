"""The HTTP APIs' documents: complete as a client needs them, and a gate against deliberately broken copies of one."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.flows import SHARED
from services.kit.http.openapi import operations
from services.kit.manifests import discover
from tests.support.interfaces.recorder import recorded
from tests.support.samples.documents import SCHEMAS
from tools.contract import __main__, openapi
from tools.contract.http_compatibility import CLIENTS, http_breakages

pytestmark = pytest.mark.contract

Document = dict[str, Any]
Change = Callable[[Document], Any]
SERVICES = (*discover(), *SHARED)


def document_of(service: str) -> Document:
    document: Document = json.loads((SCHEMAS / openapi.FOLDER / f"{service}.json").read_bytes())
    return document


def referenced(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from referenced(part)
    elif isinstance(node, list):
        for part in node:
            yield from referenced(part)


def test_every_service_has_its_document() -> None:
    assert {path.stem for path in (SCHEMAS / openapi.FOLDER).glob("*.json")} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_an_operation_says_what_it_does_who_may_ask_for_it_and_how_it_is_refused(service: str) -> None:
    document = document_of(service)
    tags = {tag["name"] for tag in document["tags"]}
    assert document["servers"]
    names = []
    for operation in operations(document):
        names.append(operation["operationId"])
        assert operation["summary"], names[-1]
        assert len(operation["description"]) > len(operation["summary"]) / 2, names[-1]
        assert set(operation["tags"]) <= tags, names[-1]
        (requirement,) = operation["security"]
        assert requirement.keys() <= document["components"]["securitySchemes"].keys(), names[-1]
        assert {"401", "403", "503", "default"} <= operation["responses"].keys(), names[-1]
        assert "Successful Response" not in json.dumps(operation["responses"]), names[-1]
        if "token" in requirement:
            assert "Role: `" in operation["description"], names[-1]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() for name in names), "by these, clients call them"


@pytest.mark.parametrize("service", SERVICES)
def test_a_document_refers_to_what_it_has(service: str) -> None:
    document = document_of(service)
    for reference in set(referenced(document)):
        _, kind, group, name = reference.split("/")
        assert name in document[kind][group]


LIBRARY = document_of("library")
LOAN = "POST /operations/loan"


def loan(document: Document) -> Document:
    operation: Document = document["paths"]["/operations/loan"]["post"]
    return operation


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def parameter(document: Document, name: str) -> Document:
    found: Document = next(one for one in loan(document)["parameters"] if one["name"] == name)
    return found


BREAKING: dict[str, tuple[Change, str]] = {
    "route removed": (lambda d: d["paths"].pop("/operations/loan"), f"{LOAN}: route removed"),
    "method removed": (lambda d: d["paths"]["/operations/loan"].pop("post"), f"{LOAN}: route removed"),
    "operation renamed": (
        lambda d: loan(d).update(operationId="lend"),
        f"{LOAN}: operationId changed: generated clients call it by that",
    ),
    "another credential": (
        lambda d: loan(d).update(security=[{"token": []}, {"certificate": []}]),
        f"{LOAN}: another way to show who asks is required",
    ),
    "parameter removed": (
        lambda d: loan(d)["parameters"].remove(parameter(d, "as_of")),
        f"{LOAN} query as_of: parameter removed",
    ),
    "parameter became required": (
        lambda d: parameter(d, "as_of").update(required=True),
        f"{LOAN} query as_of: optional parameter became required",
    ),
    "required parameter added": (
        lambda d: loan(d)["parameters"].append(
            {"in": "query", "name": "desk", "required": True, "schema": {"type": "string"}}
        ),
        f"{LOAN} query desk: required parameter added",
    ),
    "parameter narrowed": (
        lambda d: parameter(d, "Idempotency-Key")["schema"].update(maxLength=64),
        f"{LOAN} header Idempotency-Key $: maxLength narrowed",
    ),
    "required field of a body added": (
        lambda d: schema(d, "LoanBody")["required"].append("desk"),
        f"{LOAN} body $.desk: required field added",
    ),
    "field of a body removed": (
        lambda d: schema(d, "LoanBody")["properties"].pop("title"),
        f"{LOAN} body $.title: field removed",
    ),
    "media type of a body removed": (
        lambda d: loan(d)["requestBody"]["content"].pop("application/json"),
        f"{LOAN} body: application/json removed",
    ),
    "field of an answer removed": (
        lambda d: schema(d, "DeskAnswer")["properties"].pop("clear"),
        f"{LOAN} 200 $.clear: field removed",
    ),
    "field of an answer became optional": (
        lambda d: schema(d, "DeskAnswer")["required"].remove("clear"),
        f"{LOAN} 200 $.clear: required field became optional",
    ),
    "value of an answer added": (
        lambda d: schema(d, "Standing")["enum"].append("graduated"),
        f"{LOAN} 200 $.standing: enum value added: 'graduated'",
    ),
    "answer removed": (lambda d: loan(d)["responses"].pop("200"), f"{LOAN} 200: answer removed"),
}
HARMLESS: dict[str, Change] = {
    "nothing": lambda d: None,
    "words": lambda d: loan(d).update(summary="Give a book", description="Otherwise said."),
    "route added": lambda d: d["paths"].update({"/operations/reserve": {"post": loan(d)}}),
    "optional parameter added": lambda d: loan(d)["parameters"].append(
        {"in": "query", "name": "desk", "required": False, "schema": {"type": "string"}}
    ),
    "parameter widened": lambda d: parameter(d, "Idempotency-Key")["schema"].update(maxLength=256),
    "optional field of a body added": lambda d: schema(d, "LoanBody")["properties"].update(desk={"type": "string"}),
    "field of an answer added": lambda d: (
        schema(d, "DeskAnswer")["properties"].update(desk={"type": "string"}),
        schema(d, "DeskAnswer")["required"].append("desk"),
    ),
    "a problem more": lambda d: loan(d)["responses"].update({"410": {"$ref": "#/components/responses/Problem409"}}),
}


def changed(change: Change) -> Document:
    current = copy.deepcopy(LIBRARY)
    change(current)
    return current


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_client_is_named_with_its_place(name: str) -> None:
    change, named = BREAKING[name]

    found = [str(each) for each in http_breakages(LIBRARY, changed(change))]

    assert f"{named} ({CLIENTS})" in found


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_client_does_not_notice_passes(name: str) -> None:
    assert http_breakages(LIBRARY, changed(HARMLESS[name])) == ()


def test_the_gate_fails_for_an_api_that_breaks_its_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    released = tmp_path / "released" / "9.0.0"
    (released / openapi.FOLDER).mkdir(parents=True)
    promised = copy.deepcopy(LIBRARY)
    promised["paths"]["/operations/reserve"] = {"post": loan(LIBRARY)}
    (released / openapi.FOLDER / "library.json").write_text(json.dumps(promised), "utf-8")
    (released / openapi.FOLDER / "canteen.json").write_text(json.dumps(promised), "utf-8")
    monkeypatch.setattr(__main__, "SCHEMAS", tmp_path)

    assert __main__.main(["gate"]) == 1

    printed = capsys.readouterr().out
    assert "The API of library breaks its clients:\n  POST /operations/reserve: route removed" in printed
    assert "canteen" not in printed


@pytest.mark.parametrize("service", SERVICES)
def test_every_recorded_answer_is_in_the_document_and_as_it_describes_it(service: str) -> None:
    document = document_of(service)
    by_name = {operation["operationId"]: operation for operation in operations(document)}
    registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    for operation, statuses in recorded(service).items():
        for status, answers in statuses.items():
            content = by_name[operation]["responses"][status]["content"]
            for one in answers:
                described = content[one["media_type"]]
                assert described["examples"][one["name"]]["value"] == one["body"], operation
                schema = json.loads(json.dumps(described["schema"]).replace('"#/', '"urn:document#/'))
                Draft202012Validator(schema, registry=registry).validate(one["body"])
