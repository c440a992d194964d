"""The library's imports, with a database of each test's own."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from schemas.topics import Topics
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.library.operations import RULES
from tests.support.imports.department import Service, service


@pytest.fixture
async def library(database: str) -> AsyncIterator[Service]:
    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        headings = {"论文": "thesis", "证件": "card"}
        manifest = discover()["library"].model_copy(update={"headings": headings})
        return department_import(Desk(RULES, pool, Topics("test"), Wakeup(), manifest), manifest)

    async with service(database, spec) as running:
        yield running
