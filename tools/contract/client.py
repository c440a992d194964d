"""A Python client of a department, generated from its OpenAPI document by openapi-python-client."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from services.kit.http.openapi import operations
from services.kit.manifests import SERVICES

FOLDER: Final = SERVICES.parent / "examples" / "library_client"
SERVICE: Final = "library"
OPERATIONS: Final = frozenset({"loan", "return", "query-record", "import", "import-job", "import-rows"})
"""What a department's own system does; a client of everything is six times as long."""


def generate(document: Mapping[str, Any], folder: Path = FOLDER) -> list[str]:
    """Returns the files that changed. Raises `RuntimeError` where the generator is not there."""
    with tempfile.TemporaryDirectory() as name:
        source, made = Path(name) / "openapi.json", Path(name) / folder.name
        source.write_text(json.dumps(reduced(document, OPERATIONS), ensure_ascii=False), "utf-8")
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
        # It formats with the ruff beside this Python.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            [*command, "--path", source, "--output-path", made],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"make check-api installs openapi-python-client: {done.stderr[-500:]}")
        shutil.rmtree(made / ".ruff_cache", ignore_errors=True)
        changed = sorted(name for name in _files(made) | _files(folder) if _text(made / name) != _text(folder / name))
        if changed:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
        return changed


def reduced(document: Mapping[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """With these operations, files only as parts of forms, and the components that they refer to."""
    found: dict[str, Any] = json.loads(json.dumps(document))
    for operation in operations(found):
        content = operation.get("requestBody", {}).get("content", {})
        for media_type in content.keys() - {"application/json", "multipart/form-data"}:
            del content[media_type]
    found["paths"] = {
        path: kept
        for path, methods in found["paths"].items()
        if (kept := {method: one for method, one in methods.items() if one["operationId"] in wanted})
    }
    needed: set[str] = set()
    missing = set(_references(found["paths"]))
    while missing:
        needed |= missing
        missing = {one for name in missing for one in _references(_at(found, name))} - needed
    for group in ("schemas", "responses"):
        components = found["components"][group]
        found["components"][group] = {
            name: one for name, one in components.items() if f"#/components/{group}/{name}" in needed
        }
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)


def _at(document: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in (".py", ".typed")}


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None
