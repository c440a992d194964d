"""Commands about one key take its id as it is."""

import pytest
from typer.testing import CliRunner

from services.clearance import __main__ as clearance
from services.clearance import cli
from services.clearance.receipts import cli as receipts_cli


@pytest.mark.parametrize("kid", ["k1", "-Zb_9x", "--Zb9x", "-"])
def test_an_id_may_begin_with_a_dash(kid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in 64 does: it is the beginning of a thumbprint."""
    named: list[str] = []

    async def signed(_: object, of: str) -> list[str]:
        named.append(of)
        return []

    monkeypatch.setattr(cli, "load", lambda _: None)
    monkeypatch.setattr(cli, "_sign_again", signed)
    monkeypatch.setattr(receipts_cli, "_with_keyring", lambda _: named.append("revoked"))
    for command in ("sign-again", "revoke"):
        ran = CliRunner().invoke(clearance.cli, ["keys", command, kid])
        assert ran.exit_code == 0, ran.output
    assert named == [kid, "revoked"]
