"""The gate against deliberately broken copies of the contract: each break is named, and what is harmless passes."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsoncompat
import pytest

from schemas.events import StatusChanged, SubmissionRefused, json_schema
from tools.contract import __main__, gate
from tools.contract.compatibility import OLD_EVENTS, OLD_READERS, breakages, without_additions

pytestmark = pytest.mark.contract

Schema = dict[str, Any]
Change = Callable[[Schema], Any]
STATUS: Schema = json_schema(StatusChanged)
REFUSED: Schema = json_schema(SubmissionRefused)


def after(change: Change, released: Schema = STATUS) -> tuple[Schema, Schema]:
    current = copy.deepcopy(released)
    change(current)
    return released, current


def check(schema: Schema) -> Schema:
    found: Schema = schema["$defs"]["CheckStatus"]
    return found


BREAKING: dict[str, tuple[Change, str, str]] = {
    "field removed": (lambda s: s["properties"].pop("cause"), "$.cause: field removed", OLD_READERS),
    "optional field removed": (
        lambda s: check(s)["properties"].pop("facts"),
        "$.checks.items.facts: field removed",
        OLD_READERS,
    ),
    "field renamed": (
        lambda s: s["properties"].update(student=s["properties"].pop("student_id")),
        "$.student_id: field removed",
        OLD_READERS,
    ),
    "type changed": (
        lambda s: s["properties"]["version"].update(type="string"),
        "$.version: type changed",
        OLD_READERS,
    ),
    "type made nullable": (
        lambda s: s["properties"]["department"].update(type=["string", "null"]),
        "$.department: type changed",
        OLD_READERS,
    ),
    "enum value added": (
        lambda s: s["$defs"]["Verdict"]["enum"].append("waived"),
        "$.checks.items.verdict: enum value added: 'waived'",
        OLD_READERS,
    ),
    "enum value removed": (
        lambda s: s["$defs"]["Verdict"]["enum"].remove("blocked"),
        "$.checks.items.verdict: enum value removed: 'blocked'",
        OLD_EVENTS,
    ),
    "enum made free text": (
        lambda s: s["$defs"]["Verdict"].pop("enum"),
        "$.checks.items.verdict: enum removed",
        OLD_READERS,
    ),
    "required field added": (
        lambda s: (s["properties"].update(desk={"type": "string"}), s["required"].append("desk")),
        "$.desk: required field added",
        OLD_EVENTS,
    ),
    "required field added deep inside": (
        lambda s: (check(s)["properties"].update(since={"type": "string"}), check(s)["required"].append("since")),
        "$.checks.items.since: required field added",
        OLD_EVENTS,
    ),
    "optional field became required": (
        lambda s: check(s)["required"].append("facts"),
        "$.checks.items.facts: optional field became required",
        OLD_EVENTS,
    ),
    "required field became optional": (
        lambda s: s["required"].remove("occurred_at"),
        "$.occurred_at: required field became optional",
        OLD_READERS,
    ),
    "pattern added": (
        lambda s: s["$defs"]["Reason"]["properties"]["code"].update(pattern="^library-"),
        "$.cause.code: pattern changed",
        OLD_EVENTS,
    ),
    "pattern added where none was": (
        lambda s: check(s)["properties"]["facts"]["propertyNames"].update(pattern="^[a-z_]+$"),
        "$.checks.items.facts.propertyNames: pattern added",
        OLD_EVENTS,
    ),
    "pattern removed": (
        lambda s: s["properties"]["student_id"].pop("pattern"),
        "$.student_id: pattern removed",
        OLD_READERS,
    ),
    "upper bound narrowed": (
        lambda s: s["properties"]["version"].update(maximum=1000),
        "$.version: maximum narrowed",
        OLD_EVENTS,
    ),
    "lower bound narrowed": (
        lambda s: s["properties"]["version"].update(minimum=2),
        "$.version: minimum narrowed",
        OLD_EVENTS,
    ),
    "bound added": (
        lambda s: s["properties"]["department"].update(maxLength=3),
        "$.department: maxLength narrowed",
        OLD_EVENTS,
    ),
    "bound widened": (
        lambda s: s["properties"]["checks"].update(maxItems=99),
        "$.checks: maxItems widened",
        OLD_READERS,
    ),
    "bound of one of several types narrowed": (
        lambda s: s["$defs"]["Reason"]["properties"]["parameters"]["additionalProperties"]["anyOf"][0].update(
            maxLength=5
        ),
        "$.cause.parameters.additionalProperties.anyOf[0]: maxLength narrowed",
        OLD_EVENTS,
    ),
    "one of several types added": (
        lambda s: s["$defs"]["Reason"]["properties"]["parameters"]["additionalProperties"]["anyOf"].append(
            {"type": "number"}
        ),
        "$.cause.parameters.additionalProperties: anyOf changed",
        OLD_READERS,
    ),
    "additionalProperties closed": (
        lambda s: s.update(additionalProperties=False),
        "$: additionalProperties closed",
        OLD_EVENTS,
    ),
    "additionalProperties closed deep inside": (
        lambda s: check(s).update(additionalProperties=False),
        "$.checks.items: additionalProperties closed",
        OLD_EVENTS,
    ),
    "const added": (
        lambda s: s["properties"]["department"].update(const="library"),
        "$.department: const added",
        OLD_EVENTS,
    ),
    "format changed": (
        lambda s: s["properties"]["occurred_at"].update(format="date"),
        "$.occurred_at: format changed",
        OLD_EVENTS,
    ),
    "default changed": (
        lambda s: check(s)["properties"]["reasons"].update(default=None),
        "$.checks.items.reasons: default changed",
        OLD_READERS,
    ),
    "a rule the gate does not know": (
        lambda s: s.update({"if": {"required": ["cause"]}}),
        "$: if added",
        OLD_EVENTS,
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named_with_whom_it_breaks(name: str) -> None:
    change, what, whom = BREAKING[name]

    found = breakages(*after(change))

    assert what in [f"{each.path}: {each.what}" for each in found]
    assert whom in next(each.whom for each in found if f"{each.path}: {each.what}" == what)


def test_a_changed_key_pattern_of_a_map_breaks() -> None:
    def renamed(schema: Schema) -> None:
        patterns = schema["properties"]["objections"]["patternProperties"]
        patterns["^x"] = patterns.pop(next(iter(patterns)))

    found = breakages(*after(renamed, REFUSED))

    assert [each.what.split()[0] for each in found] == ["patternProperties", "patternProperties"]


def test_a_field_added_to_a_closed_object_breaks_its_old_readers() -> None:
    released = {"type": "object", "properties": {}, "additionalProperties": False}
    current = {**released, "properties": {"later": {"type": "string"}}}

    assert [each.what for each in breakages(released, current)] == ["field added to a closed object"]


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda s: None,
    "description changed": lambda s: s.update(description="other words"),
    "title and examples changed": lambda s: s["properties"]["student_id"].update(title="Id", examples=["TS1"]),
    "optional field added": lambda s: s["properties"].update(desk={"type": "string", "maxLength": 9}),
    "optional field added deep inside": lambda s: check(s)["properties"].update(since={"type": "string"}),
    "a definition moved": lambda s: (
        s["$defs"].update(Word=s["$defs"].pop("Verdict")),
        check(s)["properties"].update(verdict={"$ref": "#/$defs/Word"}),
    ),
    "order of an enum changed": lambda s: s["$defs"]["Verdict"]["enum"].reverse(),
    "order of required changed": lambda s: s["required"].reverse(),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_passes(name: str) -> None:
    released, current = after(COMPATIBLE[name])

    assert breakages(released, current) == ()
    assert jsoncompat.check_compat(json.dumps(released), json.dumps(without_additions(released, current)), "both")


def put(folder: Path, schemas: dict[str, Schema]) -> Path:
    folder.mkdir()
    for name, schema in schemas.items():
        (folder / name).write_text(json.dumps(schema), "utf-8")
    return folder


def test_an_event_that_is_gone_breaks_everyone_who_reads_it(tmp_path: Path) -> None:
    released = put(tmp_path / "1.0.0", {"lixiao.status-changed.v1.json": STATUS})

    found = gate.broken(released, {})

    assert [each.what for each in found["lixiao.status-changed.v1.json"]] == ["schema removed"]


def test_a_department_that_is_gone_takes_its_facts_with_it(tmp_path: Path) -> None:
    facts = {"type": "object", "properties": {"count": {"type": "integer"}}}
    released = put(tmp_path / "1.0.0", {"facts.observatory.lens.json": facts})

    assert gate.broken(released, {}) == {}


def test_what_our_own_walk_would_miss_a_second_opinion_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = put(tmp_path / "1.0.0", {"lixiao.status-changed.v1.json": STATUS})
    _, current = after(BREAKING["enum value added"][0])
    monkeypatch.setattr(gate, "breakages", lambda old, new: ())

    found = gate.broken(released, {"lixiao.status-changed.v1.json": current})

    assert [each.what for each in found["lixiao.status-changed.v1.json"]] == ["jsoncompat finds it incompatible"]


def test_the_explanation_says_what_broke_for_whom_and_what_to_do(tmp_path: Path) -> None:
    released = put(tmp_path / "1.0.0", {"lixiao.status-changed.v1.json": STATUS})
    _, current = after(BREAKING["enum value added"][0])

    ((name, breaks),) = gate.broken(released, {"lixiao.status-changed.v1.json": current}).items()
    text = gate.explanation(name, breaks)

    assert "enum value added: 'waived'" in text
    assert "Readers: clearance, notices." in text
    assert "add lixiao.status-changed.v2 beside lixiao.status-changed.v1: deploy readers" in text


def test_the_gate_command_fails_on_a_break_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, stricter = after(lambda s: s["required"].append("desk"))
    (tmp_path / "released").mkdir()
    put(tmp_path / "released" / "1.0.0", {"lixiao.status-changed.v1.json": stricter})
    monkeypatch.setattr(__main__, "SCHEMAS", tmp_path)

    assert __main__.main(["gate"]) == 1
    assert "lixiao.status-changed.v1.json breaks its readers" in capsys.readouterr().out
