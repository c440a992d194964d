"""Files with secrets: whole or not there, and nobody else's to read."""

import stat
from pathlib import Path

import pytest

from services.kit.runtime.private_files import write_private


def test_a_private_file_is_its_owners_alone_and_so_is_the_folder_made_for_it(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "one.jwk"
    write_private(file, "first")
    write_private(file, "second")
    assert file.read_text() == "second"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert list(file.parent.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "one.jwk"
    write_private(file, "first")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "\ud800")
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
