"""What is locked: its licences are allowed, and no known vulnerability concerns it."""

import json
from typing import Any

import pytest

from tools import licences, vulnerabilities
from tools.licences import is_allowed
from tools.locked import LOCK, Locked, licence, locked

PACKAGES = list(locked(LOCK.read_text("utf-8")))


def advisory(*events: dict[str, str], name: str = "some-lib", **members: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": ranges, **members}
    return {"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": [affected]}


def test_every_locked_package_of_this_platform_has_an_allowed_licence() -> None:
    wrong, absent = licences.findings(PACKAGES)
    assert wrong == []
    assert set(absent) <= {package.name for package in PACKAGES if package.marker}, "make setup installs the lock"


def test_an_exception_is_for_a_package_that_is_locked_and_needs_it() -> None:
    assert licences.EXCEPTIONS.keys() <= {package.name for package in PACKAGES}
    assert not any(is_allowed(licence(name) or "") for name in licences.EXCEPTIONS)


@pytest.mark.parametrize(
    ("stated", "allowed"),
    [
        ("MIT", True),
        ("BSD License", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND PSF-2.0", True),
        ("DFSG approved, MIT License", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT License, GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_a_licence_that_is_not_on_the_list_is_a_finding(stated: str, allowed: bool) -> None:
    wrong, _ = licences.findings([Locked("some-lib", "1", "", ())], lambda name: stated)
    assert (wrong == []) is allowed


def test_no_locked_package_has_a_vulnerability_of_the_committed_extract() -> None:
    extract = json.loads(vulnerabilities.EXTRACT.read_text("utf-8"))
    assert len(extract["advisories"]) > 50
    assert vulnerabilities.findings(PACKAGES, extract["advisories"]) == []


@pytest.mark.parametrize(
    ("version", "vulnerable"),
    [("0.9", False), ("1.0", True), ("1.9.1", True), ("1.10", False), ("2.0rc1", False), ("2.0", True), ("3", False)],
)
def test_a_version_within_a_range_is_a_finding(version: str, vulnerable: bool) -> None:
    ranges = ({"introduced": "2.0"}, {"fixed": "2.0.1"}, {"introduced": "1.0"}, {"fixed": "1.10"})
    found = vulnerabilities.findings([Locked("Some_Lib", version, "", ())], [advisory(*ranges)])
    assert bool(found) is vulnerable
    assert all("PYSEC-1 (CVE-1)" in line for line in found)


def test_last_affected_counts_and_listed_versions_do_too_and_other_packages_do_not() -> None:
    last = advisory({"introduced": "0"}, {"last_affected": "1.2"})
    assert vulnerabilities.findings([Locked("some-lib", "1.2", "", ())], [last])
    assert not vulnerabilities.findings([Locked("some-lib", "1.3", "", ())], [last])
    listed = advisory(versions=["1.2"])
    assert vulnerabilities.findings([Locked("some-lib", "1.2", "", ())], [listed])
    assert not vulnerabilities.findings([Locked("some-other", "1.2", "", ())], [last, listed])


def test_an_old_release_of_what_we_use_is_found_in_the_extract() -> None:
    known = json.loads(vulnerabilities.EXTRACT.read_text("utf-8"))["advisories"]
    assert vulnerabilities.findings([Locked("jinja2", "2.10", "", ())], known)
    assert vulnerabilities.findings([Locked("cryptography", "3.2", "", ())], known)
