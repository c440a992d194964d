"""Checks what is locked against known vulnerabilities: `python -m tools.vulnerabilities`, exit 1 if there are any.

Against the committed extract of the PyPA advisory database, whose day is printed, or with `--database FOLDER` against a
clone of it; `--extract` writes the extract from the clone anew. It needs no network.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.version import Version

from tools.locked import LOCK, ROOT, Locked, locked

EXTRACT: Final = ROOT / "tools" / "advisories.json"
_SOURCE: Final = "PyPA advisory database, CC-BY-4.0"
Advisory = Mapping[str, Any]
"""OSV's format: `id`, `aliases`, and `affected` with `package`, `ranges` and `versions`."""


def findings(packages: Iterable[Locked], advisories: Sequence[Advisory]) -> list[str]:
    return [
        f"{package.name} {package.version}: {advisory['id']} ({', '.join(advisory.get('aliases', ())) or 'no alias'})"
        for package in packages
        for advisory in advisories
        if any(_concerns(affected, package) for affected in advisory["affected"])
    ]


def _concerns(affected: Mapping[str, Any], package: Locked) -> bool:
    named = affected["package"]
    if named["ecosystem"] != "PyPI" or named["name"].lower().replace("_", "-") != package.normalised:
        return False
    version = Version(package.version)
    events = (one["events"] for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM")
    return package.version in affected.get("versions", ()) or any(_within(each, version) for each in events)


def _within(events: Iterable[Mapping[str, str]], version: Version) -> bool:
    """The last event at or before the version counts."""
    inside = False
    for (kind, at), *_ in sorted((list(event.items()) for event in events), key=lambda one: Version(one[0][1])):
        if kind == "introduced" and Version(at) <= version:
            inside = True
        elif (kind == "fixed" and Version(at) <= version) or (kind == "last_affected" and Version(at) < version):
            inside = False
    return inside


def in_clone(folder: Path, packages: Iterable[Locked]) -> Iterator[Advisory]:
    """Of these packages, those not withdrawn."""
    names = {package.normalised for package in packages}
    for of_package in sorted((folder / "vulns").iterdir()):
        if of_package.name.lower().replace("_", "-") in names:
            for file in sorted(of_package.glob("*.yaml")):
                advisory = yaml.safe_load(file.read_text("utf-8"))
                if "withdrawn" not in advisory:
                    yield advisory


def extract(folder: Path, packages: Sequence[Locked]) -> dict[str, Any]:
    """With ranges alone: what they say of versions is the same."""
    kept = [
        {
            "id": advisory["id"],
            "aliases": advisory.get("aliases", []),
            "affected": [
                {
                    "package": {name: affected["package"][name] for name in ("ecosystem", "name")},
                    "ranges": ranges,
                    **({} if ranges else {"versions": affected.get("versions", [])}),
                }
                for affected in advisory["affected"]
                for ranges in [[one for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM"]]
            ],
        }
        for advisory in in_clone(folder, packages)
    ]
    day = ["git", "-C", str(folder), "log", "-1", "--format=%cs"]
    taken = subprocess.run(day, check=True, capture_output=True, text=True).stdout.strip()
    return {
        "source": _SOURCE,
        "day": taken,
        "packages": sorted({each.normalised for each in packages}),
        "advisories": kept,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.vulnerabilities", description=__doc__)
    parser.add_argument("--database", type=Path, help="a clone of the advisory database")
    parser.add_argument("--extract", action="store_true", help="write the extract from --database anew")
    given = parser.parse_args()
    packages = list(locked(LOCK.read_text("utf-8")))
    if given.database and given.extract:
        EXTRACT.write_text(json.dumps(extract(given.database, packages), indent=1) + "\n", "utf-8")
    known = extract(given.database, packages) if given.database else json.loads(EXTRACT.read_text("utf-8"))
    found = findings(packages, known["advisories"])
    sys.stdout.write("".join(f"{line}\n" for line in found) + _summary(known, packages, found))
    sys.exit(1 if found else 0)


def _summary(known: Mapping[str, Any], packages: Sequence[Locked], found: Sequence[str]) -> str:
    age = (datetime.now(UTC).date() - date.fromisoformat(known["day"])).days
    unknown = {package.normalised for package in packages} - set(known["packages"])
    return (
        f"{len(packages)} packages, {len(found)} known vulnerabilities among the {len(known['advisories'])} advisories"
        f" up to {known['day']} ({age} days old; later ones are not in it)\n"
        + (f"locked since, and so not checked: {', '.join(sorted(unknown))}\n" if unknown else "")
    )


if __name__ == "__main__":
    main()
