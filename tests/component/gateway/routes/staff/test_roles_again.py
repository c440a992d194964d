"""Somebody who goes on working: the demonstration's provider confirms the roles, again and again."""

from deploy.local.http_clients import local_client
from tests.component.gateway.routes.staff.working import LIBRARY, AtWork
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.visits import rows


async def due(gateway: RunningGateway) -> None:
    await rows(
        gateway.database,
        "UPDATE session SET roles_due_at = now(), roles_confirmed_at = now() - interval '50 min' WHERE subject = $1",
        LIBRARY.sub,
    )


async def test_roles_are_confirmed_by_a_refresh_token_that_changes_each_time_until_the_account_is_signed_out(
    gateway: RunningGateway, library: AtWork
) -> None:
    for _ in range(2):
        await due(gateway)
        assert (await library.list()).status_code == 200
        confirmed = await rows(
            gateway.database,
            "SELECT now() - roles_confirmed_at < interval '1 min' AS fresh FROM session WHERE subject = $1",
            LIBRARY.sub,
        )
        assert any(row["fresh"] for row in confirmed)
    async with local_client() as there:
        await there.post(f"{gateway.issuer}/sign-out-everywhere", data={"sub": LIBRARY.sub})
    assert (await library.list()).status_code == 303
