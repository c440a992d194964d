"""Every folder of migrations has each number once: two branches may have taken the same one."""

from collections import Counter
from pathlib import Path

import pytest

from services.kit.manifests import SERVICES

FOLDERS = sorted({path.parent for path in SERVICES.rglob("migrations/**/*.sql")})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SERVICES)))
def test_no_number_is_taken_twice(folder: Path) -> None:
    numbers = Counter(path.name[:4] for path in folder.glob("*.sql"))
    assert [number for number, times in numbers.items() if times > 1] == []
