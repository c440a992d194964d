"""Generate and check the files of the contract: `python -m tools.contract <command>`.

write            generate `schemas/json/` and `schemas/asyncapi.yaml`
check            fail if a generated file differs from the models, or a published example was changed
gate             fail if the schemas break a reader or a published event of the last release
publish          add the hashes of new examples to `schemas/examples/INDEX.sha256`; published examples are immutable
release VERSION  copy the schemas to `schemas/released/VERSION/`, which `gate` compares with

Development only: it needs the optional dependencies `test`.
"""

import hashlib
import importlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from services.kit.manifests import SERVICES, discover
from tools.contract import files
from tools.contract.gate import broken, explanation, last_release, version_number

ROOT: Final = SERVICES.parent
SCHEMAS: Final = ROOT / "schemas"
INDEX: Final = "INDEX.sha256"


def facts_of(services: Path = SERVICES) -> dict[str, dict[str, type[BaseModel]]]:
    """Department → check → model of its facts."""
    found = {}
    for name in discover(services):
        if (services / name / "rules.py").exists():
            found[name] = dict(importlib.import_module(f"services.{name}.rules").FACTS)
    return found


def project_version() -> str:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def expected_files() -> dict[str, str]:
    """Path below `schemas/` → content."""
    return files.files(project_version(), discover(), facts_of())


def write(schemas: Path = SCHEMAS) -> list[str]:
    """Also deletes files of removed events and checks. Returns the changed paths."""
    expected = expected_files()
    changed = differences(schemas)
    for name in changed:
        path = schemas / name
        if name in expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[name], "utf-8")
        else:
            path.unlink()
    return changed


def differences(schemas: Path = SCHEMAS) -> list[str]:
    """Missing, outdated or orphaned."""
    expected = expected_files()
    present = {f"json/{path.name}" for path in (schemas / "json").glob("*.json")}
    stale = present - expected.keys()
    wrong = {name for name, text in expected.items() if _text(schemas / name) != text}
    return sorted(stale | wrong)


def example_faults(schemas: Path = SCHEMAS) -> list[str]:
    """Changed or removed after publication, or not yet published."""
    index = _index(schemas)
    actual = example_hashes(schemas)
    faults = [f"{name}: published, but missing" for name in index.keys() - actual.keys()]
    faults += [
        f"{name}: changed after it was published" for name in index if actual.get(name, index[name]) != index[name]
    ]
    faults += [f"{name}: not published yet (command: publish)" for name in actual.keys() - index.keys()]
    return sorted(faults)


def publish(schemas: Path = SCHEMAS) -> list[str]:
    """Returns the new examples."""
    actual, index = example_hashes(schemas), _index(schemas)
    new = sorted(actual.keys() - index.keys())
    with (schemas / "examples" / INDEX).open("a", encoding="utf-8") as file:
        file.writelines(f"{actual[name]}  {name}\n" for name in new)
    return new


def example_hashes(schemas: Path = SCHEMAS) -> dict[str, str]:
    """`<event-type>/<nn>-<name>.json` → SHA-256."""
    folder = schemas / "examples"
    paths = sorted(folder.glob("*/*.json"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _write() -> int:
    for name in write():
        print(f"wrote schemas/{name}")
    return 0


def _check() -> int:
    faults = [f"schemas/{name} differs from the models (command: write)" for name in differences()]
    faults += [f"schemas/examples/{fault}" for fault in example_faults()]
    print("\n".join(faults) or "The contract's files match the models.")
    return 1 if faults else 0


def _gate() -> int:
    released = last_release(SCHEMAS)
    if released is None:
        print("Nothing has been released yet, so nothing can break.")
        return 0
    found = broken(released, files.json_schemas(facts_of()))
    for name, breaks in found.items():
        print(explanation(name, breaks))
    if not found:
        print(f"Compatible with {released.name}: every reader reads every event, old and new.")
    return 1 if found else 0


def _publish() -> int:
    for name in publish():
        print(f"published {name}")
    return 0


def release(version: str, schemas: Path = SCHEMAS) -> Path:
    """Raises `ValueError` if that release exists."""
    folder = schemas / "released" / version
    if folder.exists() or not version_number(version):
        raise ValueError(f"{version} is already released, or is not a version: a release is never changed")
    folder.mkdir(parents=True)
    for path in sorted((schemas / "json").glob("*.json")):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _release(version: str) -> int:
    if differences() or _gate():
        print("Not released: run `write`, and undo what breaks.")
        return 1
    print(f"released {release(version).relative_to(ROOT)}")
    return 0


def _index(schemas: Path) -> dict[str, str]:
    lines = (_text(schemas / "examples" / INDEX) or "").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


_COMMANDS: Final[dict[str, Callable[[], int]]] = {
    "write": _write,
    "check": _check,
    "gate": _gate,
    "publish": _publish,
}


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 success, 1 failure, 2 usage error."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if len(arguments) == 2 and arguments[0] == "release":
        return _release(arguments[1])
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return _COMMANDS[arguments[0]]()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
