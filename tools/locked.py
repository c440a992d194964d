"""The packages of requirements.lock, and what their installed metadata says of their licences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements.lock"
_PACKAGE: Final = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s\\;]+)[ \t]*(?:;([^\\\n]*))?", re.MULTILINE
)
_DIGEST: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    name: str
    version: str
    marker: str
    """Of the platforms that need it; empty: all."""
    digests: tuple[str, ...]
    """SHA-256 of every file that may be installed: wheels of all platforms, and the source."""

    @property
    def normalised(self) -> str:
        return re.sub(r"[-_.]+", "-", self.name).lower()


def locked(lock: str) -> Iterator[Locked]:
    """`lock`: of pip, with digests."""
    starts = list(_PACKAGE.finditer(lock))
    ends = [found.start() for found in starts[1:]] + [len(lock)]
    for one, end in zip(starts, ends, strict=True):
        digests = tuple(sorted(_DIGEST.findall(lock[one.end() : end])))
        yield Locked(one[1], one[2], (one[3] or "").strip(), digests)


def licence(name: str) -> str | None:
    """As the package states it, in SPDX or in its own words; empty if it states none, None if it is not installed."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [each for each in found.get_all("Classifier") or () if each.startswith("License :: ")]
    stated, named = ((found.get_all(field) or [""])[0] for field in ("License-Expression", "License"))
    return stated or ", ".join(each.rpartition(" :: ")[2] for each in classifiers) or named.strip().split("\n")[0][:100]
