"""The files of the contract are those of the models, and they are kept."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.events import EVENT_TYPES
from services.kit.manifests import SERVICES, discover
from tests.support.samples.documents import SCHEMAS
from tools.contract import __main__, gate

pytestmark = pytest.mark.contract


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__", "*.py")))


def test_every_generated_file_is_what_the_models_say() -> None:
    assert __main__.differences() == [], "run: python -m tools.contract write"


def test_every_event_has_its_schema() -> None:
    assert {f"{name}.json" for name in EVENT_TYPES} <= {path.name for path in (SCHEMAS / "json").glob("*.json")}


def test_every_department_with_rules_publishes_the_facts_of_every_check() -> None:
    written = {path.name for path in (SCHEMAS / "json").glob("facts.*.json")}
    wanted = {
        f"facts.{name}.{check}.json"
        for name, department in discover().items()
        if (SERVICES / name / "rules.py").exists()
        for check in department.check_names
    }
    assert wanted
    assert written == wanted


@pytest.mark.parametrize("path", sorted((SCHEMAS / "json").glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_valid_json_schema_2020_12(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))

    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)
    assert schema.get("additionalProperties") is not False, "readers ignore unknown fields"


def test_check_names_a_file_that_was_edited_lost_or_left_over(copy: Path) -> None:
    edited = copy / "json" / "lixiao.case-changed.v1.json"
    edited.write_text(edited.read_text("utf-8").replace("2147483647", "99"), "utf-8")
    (copy / "json" / "lixiao.source-alive.v1.json").unlink()
    (copy / "json" / "lixiao.forgotten.v1.json").write_text("{}", "utf-8")
    (copy / "openapi" / "canteen.json").write_text("{}", "utf-8")
    (copy / "openapi" / "library.json").write_text("{}", "utf-8")
    (copy / "asyncapi.yaml").write_text("asyncapi: 2.0.0\n", "utf-8")

    assert __main__.differences(copy) == [
        "asyncapi.yaml",
        "json/lixiao.case-changed.v1.json",
        "json/lixiao.forgotten.v1.json",
        "json/lixiao.source-alive.v1.json",
        "openapi/canteen.json",
        "openapi/library.json",
    ]

    __main__.write(copy)

    assert __main__.differences(copy) == []


def test_a_published_example_is_never_changed_or_removed() -> None:
    assert __main__.example_faults() == []


def test_a_changed_a_removed_and_a_new_example_are_each_named(copy: Path) -> None:
    changed, removed, *_ = sorted((copy / "examples").glob("*/*.json"))
    changed.write_text(changed.read_text("utf-8") + " ", "utf-8")
    removed.unlink()
    (copy / "examples" / "lixiao.case-changed.v1" / "99-new.json").write_text("{}", "utf-8")

    names = [path.relative_to(copy / "examples").as_posix() for path in (changed, removed)]
    assert sorted(__main__.example_faults(copy)) == sorted(
        [
            f"{names[0]}: changed after it was published",
            f"{names[1]}: published, but missing",
            "lixiao.case-changed.v1/99-new.json: not published yet (command: publish)",
        ]
    )


def test_publishing_adds_the_new_examples_and_touches_no_other_line(copy: Path) -> None:
    index = copy / "examples" / __main__.INDEX
    before = index.read_text("utf-8")
    (copy / "examples" / "lixiao.case-changed.v1" / "99-new.json").write_text("{}", "utf-8")

    assert __main__.publish(copy) == ["lixiao.case-changed.v1/99-new.json"]
    assert __main__.publish(copy) == []
    assert index.read_text("utf-8").startswith(before)
    assert __main__.example_faults(copy) == []


def test_a_release_keeps_the_schemas_and_is_never_changed(copy: Path) -> None:
    folder = __main__.release("99.0.0", copy)

    for kept, current in ((folder, copy / "json"), (folder / "openapi", copy / "openapi")):
        assert {path.name: path.read_bytes() for path in kept.glob("*.json")} == {
            path.name: path.read_bytes() for path in current.glob("*.json")
        }
    assert not (folder / "openapi" / "answers").exists()
    assert gate.last_release(copy) == folder
    with pytest.raises(ValueError, match="never changed"):
        __main__.release("99.0.0", copy)


def test_the_last_release_is_the_highest_version_not_the_last_name(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        (tmp_path / "released" / version).mkdir(parents=True)

    release = gate.last_release(tmp_path)

    assert release is not None
    assert release.name == "0.10.0"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["write", "twice"], ["release"]])
def test_a_command_that_is_not_understood_prints_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(arguments) == 2
    assert "gate" in capsys.readouterr().err


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--help"]) == 0
    assert "gate" in capsys.readouterr().out


def test_check_and_gate_pass_on_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["check"]) == 0, capsys.readouterr().out
    assert __main__.main(["gate"]) == 0, capsys.readouterr().out
