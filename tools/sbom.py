"""Prints the bill of materials of what is locked: CycloneDX 1.6 with versions, digests and licences.

`python -m tools.sbom > sbom.json`. Licences are those of the installed packages.
"""

import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
_PACKAGE: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s\\;]+)", re.MULTILINE)
_DIGEST: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """`lock`: of pip, with digests. The same one for the same lock."""
    starts = list(_PACKAGE.finditer(lock))
    ends = [found.start() for found in starts[1:]] + [len(lock)]
    components = [_component(one[1], one[2], lock[one.end() : end]) for one, end in zip(starts, ends, strict=True)]
    name, version = project["name"], project["version"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": name, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _component(name: str, version: str, text: str) -> dict[str, Any]:
    address = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    licence = _licence(name)
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        **({"licenses": [{"license": {"name": licence}}]} if licence else {}),
        # Of every file that may be installed: wheels of all platforms, and the source.
        "properties": [{"name": "lixiao:sha256", "value": digest} for digest in sorted(_DIGEST.findall(text))],
    }


def _licence(name: str) -> str:
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = [each for each in found.get_all("Classifier") or () if each.startswith("License :: ")]
    stated, named = ((found.get_all(field) or [""])[0] for field in ("License-Expression", "License"))
    return stated or ", ".join(each.rpartition(" :: ")[2] for each in classifiers) or named.strip().split("\n")[0][:100]


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    json.dump(bill((ROOT / "requirements.lock").read_text("utf-8"), project), sys.stdout, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
