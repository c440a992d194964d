"""The folder of a department is its registration: what is derived from it, without a process."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.topics import Topics
from services.gateway.case.decision import WaitingReason, decide
from services.kit.manifests import SERVICES, discover, required_checks
from tests.support.samples.sample_department import NEW, TITLE, add_department


@pytest.fixture
def services(tmp_path: Path) -> Path:
    for manifest in SERVICES.glob("*/department.toml"):
        shutil.copytree(manifest.parent, tmp_path / manifest.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    add_department(tmp_path)
    return tmp_path


def test_a_folder_more_is_a_department_more_in_its_place_on_the_page(services: Path) -> None:
    before, after = list(discover()), list(discover(services))
    assert set(after) == {*before, NEW}
    assert after.index(NEW) == after.index("dorm") + 1
    assert discover(services)[NEW].title.zh == TITLE


def test_its_topics_are_among_those_provisioned(services: Path) -> None:
    topics = Topics("test")
    more = {spec.name for spec in topics.specs(discover(services))} - {spec.name for spec in topics.specs(discover())}
    assert more == {topics.status(NEW), topics.attestation(NEW), topics.answer(NEW)}


def test_nobody_leaves_before_it_has_spoken(services: Path) -> None:
    decision = decide({}, required_checks(discover(services)), stale_before=datetime.now(UTC))
    (new,) = [check for check in decision.checks if check.department == NEW]
    assert (new.check, new.waiting_reason) == ("check-out", WaitingReason.UNREPORTED)
    assert not decision.clear


def test_a_folder_that_bears_anothers_name_is_refused(services: Path) -> None:
    manifest = services / NEW / "department.toml"
    manifest.write_text(manifest.read_text("utf-8").replace(f'name = "{NEW}"', 'name = "dorm"'), "utf-8")
    with pytest.raises(ValueError, match=f"{NEW}/department.toml"):
        discover(services)
