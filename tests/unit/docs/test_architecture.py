"""The architecture page stays true: every function it names is in the file it names."""

import ast
import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
STEPS = re.findall(r"^\| \d+ \| .* \| `(\w+)` \| `([\w/.]+)` \|$", PAGE, re.MULTILINE)
FOLDERS = re.findall(r"^\| `([a-z/]+)/?`", PAGE, re.MULTILINE)


def test_the_walks_are_found() -> None:
    assert len(STEPS) >= 20
    assert len(FOLDERS) >= 6


@pytest.mark.parametrize(("function", "file"), STEPS)
def test_each_step_of_a_walk_is_a_function_of_its_file(function: str, file: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in names


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


def test_the_walk_follows_the_dependencies_down_and_up_again() -> None:
    files = [file for _, file in STEPS]
    assert files[0].startswith("services/kit/")
    assert any(file.startswith("services/clearance/") for file in files)
    assert files.index("services/clearance/view/fold.py") < files.index("services/gateway/case/live.py")
