"""Generate and check the files of the contract: `python -m tools.contract <command>`.

write            generate `schemas/json/`, `schemas/openapi/` and `schemas/asyncapi.yaml`
check            fail if a generated file differs from the models, or a published example was changed
gate             fail if the schemas break a reader or a published event of the last release, or a client of its APIs
oasdiff          the same of the APIs by oasdiff, where it is built
client           generate `examples/library_client`; fail if it was another
publish          add the hashes of new examples to `schemas/examples/INDEX.sha256`; published examples are immutable
release VERSION  copy the schemas to `schemas/released/VERSION/`, which `gate` compares with

Development only: it needs the optional dependencies `test`.
"""

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from services.kit.manifests import SERVICES, discover
from tools.contract import client, files, openapi
from tools.contract.compatibility import Breakage
from tools.contract.gate import broken, explanation, last_release, version_number
from tools.contract.http_compatibility import http_breakages

ROOT: Final = SERVICES.parent
SCHEMAS: Final = ROOT / "schemas"
INDEX: Final = "INDEX.sha256"
GENERATED: Final = ("json", openapi.FOLDER)
"""Folders that hold nothing else."""


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
    return {**files.files(project_version(), discover(), facts_of()), **openapi.files()}


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
    present = {f"{name}/{path.name}" for name in GENERATED for path in (schemas / name).glob("*.json")}
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
    broken_clients = interfaces_broken(released)
    for service, changes in broken_clients.items():
        print("\n".join([f"The API of {service} breaks its clients:", *(f"  {each}" for each in changes)]))
        print("  Undo it, or add a new route or field beside the old one.")
    if not (found or broken_clients):
        print(f"Compatible with {released.name}: every reader reads every event, old and new, and clients go on.")
    return 1 if found or broken_clients else 0


def interfaces_broken(released: Path) -> dict[str, tuple[Breakage, ...]]:
    """By service. A removed department has no clients."""
    current, found = openapi.documents(), {}
    for path in sorted((released / openapi.FOLDER).glob("*.json")):
        if path.stem in current:
            found[path.stem] = http_breakages(json.loads(path.read_bytes()), current[path.stem])
    return {service: breaks for service, breaks in found.items() if breaks}


def _oasdiff() -> int:
    """A second opinion: `go install github.com/oasdiff/oasdiff@v1.37.0`."""
    released, program = last_release(SCHEMAS), shutil.which("oasdiff")
    if program is None or released is None:
        print("oasdiff is not here." if released else "Nothing has been released yet, so nothing can break.")
        return 0
    failed = 0
    for old in sorted((released / openapi.FOLDER).glob("*.json")):
        new = SCHEMAS / openapi.FOLDER / old.name
        if new.exists():
            failed |= subprocess.run([program, "breaking", "--fail-on", "ERR", old, new], check=False).returncode
    return 1 if failed else 0


def _client() -> int:
    changed = client.generate(openapi.documents()[client.SERVICE])
    for name in changed:
        print(f"wrote {client.FOLDER.relative_to(ROOT)}/{name}")
    return 1 if changed else 0


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
    shutil.copytree(schemas / openapi.FOLDER, folder / openapi.FOLDER, ignore=shutil.ignore_patterns("answers"))
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
    "oasdiff": _oasdiff,
    "client": _client,
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
