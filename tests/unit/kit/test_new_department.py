"""The folder of a department is its registration: what is derived from it, without a running service."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.topics import Topics
from services.gateway.case.decision import WaitingReason, decide
from services.kit.manifests import SERVICES, discover, required_checks
from tests.support.samples.sample_department import CHECK, NEW, TITLE, add_department, copy_department, page_files


@pytest.fixture
def services(tmp_path: Path) -> Path:
    for manifest in SERVICES.glob("*/department.toml"):
        shutil.copytree(manifest.parent, tmp_path / manifest.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    add_department(tmp_path)
    return tmp_path


def test_a_folder_more_is_a_department_more_in_its_place_on_the_page(services: Path) -> None:
    before, after = list(discover()), list(discover(services))
    assert set(after) == {*before, NEW}
    assert after[-1] == NEW
    assert discover(services)[NEW].title.zh == TITLE


def test_the_page_writes_every_file_a_department_has() -> None:
    files = {path.name for path in (SERVICES / "archives").iterdir() if path.is_file()}
    assert set(page_files()) == {f"{NEW}/{name}" for name in files}


def test_a_copied_folder_bears_its_own_name_without_a_change_of_code(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.mkdir()
    (services / "__init__.py").touch()
    (services / "kit").symlink_to(SERVICES / "kit")
    (tmp_path / "schemas").symlink_to(SERVICES.parent / "schemas")
    copy_department(services, "dorm", "games")
    program = "from services.games.operations import RULES as r; print(r.name, r.record.__module__)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["games", "services.games.rules"], done.stderr
    assert list(discover(services)) == ["games"]


def test_its_topics_are_among_those_provisioned(services: Path) -> None:
    topics = Topics("test")
    more = {spec.name for spec in topics.specs(discover(services))} - {spec.name for spec in topics.specs(discover())}
    assert more == {topics.status(NEW), topics.attestation(NEW), topics.answer(NEW), topics.audit(NEW)}


def test_nobody_leaves_before_it_has_spoken(services: Path) -> None:
    decision = decide({}, required_checks(discover(services)), stale_before=datetime.now(UTC))
    (new,) = [check for check in decision.checks if check.department == NEW]
    assert (new.check, new.waiting_reason) == (CHECK, WaitingReason.UNREPORTED)
    assert not decision.clear


def test_a_folder_that_bears_anothers_name_is_refused(services: Path) -> None:
    manifest = services / NEW / "department.toml"
    manifest.write_text(manifest.read_text("utf-8").replace(f'name = "{NEW}"', 'name = "dorm"'), "utf-8")
    with pytest.raises(ValueError, match=f"{NEW}/department.toml"):
        discover(services)


def test_a_text_that_loses_a_parameter_in_one_language_is_refused(services: Path) -> None:
    manifest = services / NEW / "department.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("有 {count} 件", "有若干件"), "utf-8")
    with pytest.raises(ValueError, match=rf"{NEW}/department.toml(?s:.*)different placeholders"):
        discover(services)
