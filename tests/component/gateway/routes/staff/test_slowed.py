"""A desk that does not take the gateway's token, and then no more requests of it, is away: nothing else is said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.settings import DeskAddress
from services.kit.http.access.auth import WRONG_BURST
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.staff.working import LIBRARY, AtWork
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.gateway.staff import ServedDesk
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
def token_file(desks: dict[str, ServedDesk], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("desk") / "token"
    file.write_text(desks["library"].desk.bearer(), "utf-8")
    return file


@pytest.fixture(scope="module")
async def gateway(
    make_database: DatabaseMaker, desks: dict[str, ServedDesk], token_file: Path
) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    desk = DeskAddress(address=desks["library"].desk.address, token_file=token_file)
    with running_gateway(database, read_model, (LIBRARY,), desks={"library": desk}) as running:
        yield running


async def test_a_known_student_is_never_said_to_be_unknown_because_the_desk_is_slowed(
    library: AtWork, token_file: Path
) -> None:
    token_file.write_text("of another installation", "utf-8")
    for _ in range(int(WRONG_BURST) + 1):
        assert (await library.browser.get(f"{library.address}/imports")).status_code == 503
    answer = await library.search(new_student_id())
    assert answer.status_code == 503
    assert "部门系统没有响应" in answer.text
