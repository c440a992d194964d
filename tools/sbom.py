"""Prints the bill of materials of what is locked: CycloneDX 1.6 with versions, digests and licences.

`python -m tools.sbom > sbom.json`. Licences are those of the installed packages.
"""

import json
import sys
import tomllib
from typing import Any

from tools.locked import LOCK, ROOT, Locked, licence, locked


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The same one for the same lock."""
    components = [_component(package) for package in locked(lock)]
    name, version = project["name"], project["version"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": name, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _component(package: Locked) -> dict[str, Any]:
    address = f"pkg:pypi/{package.normalised}@{package.version}"
    stated = licence(package.name)
    return {
        "type": "library",
        "bom-ref": address,
        "name": package.name,
        "version": package.version,
        "purl": address,
        **({"licenses": [{"license": {"name": stated}}]} if stated else {}),
        "properties": [{"name": "lixiao:sha256", "value": digest} for digest in package.digests],
    }


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    json.dump(bill(LOCK.read_text("utf-8"), project), sys.stdout, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
