"""A university's `clearance.toml`: defaults, and errors that name file and field."""

from pathlib import Path

import pytest

from services.clearance.approvals.actions import action_registry
from services.gateway.university import CONFIGURATIONS
from services.kit.clearance_policy import ClearancePolicy, load_policy
from services.kit.manifests import discover, required_checks

CHECKS = required_checks(discover())


def written(folder: Path, text: str) -> Path:
    (folder / "clearance.toml").write_text(text)
    return folder


def test_without_the_file_every_action_needs_two_persons(tmp_path: Path) -> None:
    assert load_policy(tmp_path, CHECKS) == ClearancePolicy()
    assert ClearancePolicy().approvals.one_person == frozenset()


@pytest.mark.parametrize("folder", sorted(path for path in CONFIGURATIONS.iterdir() if path.is_dir()))
def test_the_configurations_that_are_shipped_can_be_read(folder: Path) -> None:
    load_policy(folder, CHECKS)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[approvals]\none_person = ["Not A Name"]', "approvals.one_person"),
        ("[approvals]\nexpire_after_hours = 0", "approvals.expire_after_hours"),
        ("[approval]", "approval"),
        ("[approvals", "clearance.toml"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(ValueError, match=r"clearance\.toml") as refused:
        load_policy(written(tmp_path, text), CHECKS)
    assert field in str(refused.value)


def test_an_action_that_does_not_exist_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="'void'"):
        action_registry((), frozenset({"void"}))
