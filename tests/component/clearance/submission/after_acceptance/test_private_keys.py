"""Stores of private keys, files and a PKCS#11 token: whatever holds a key, its forms verify by the same public key."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from typer.testing import CliRunner

from services.clearance.receipts.cli import keys as key_commands
from services.clearance.receipts.private_keys import in_thread as waiting
from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.private_keys.in_thread import in_thread
from services.clearance.receipts.private_keys.pkcs11_token import LABEL, TokenKeys
from services.clearance.receipts.private_keys.store import KeyMissing, KeyStore, kid_of_key
from services.clearance.receipts.signing_keys import Keyring, jwk_set, public_jwk
from services.clearance.submission.after_acceptance.signing_again import FIRST, SigningAgain
from services.kit.receipts.jws import InvalidSignature, public_keys, sign, verify
from services.kit.receipts.qr import verify_text
from tests.support.in_process.submission_harness import Harness
from tests.support.servers.softhsm import Token, made_token

PAYLOAD = {"v": 1, "form": "2026-K7M3R-X4Q9T-H", "student": {"name": "欧阳知远"}}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    made = made_token(tmp_path_factory.mktemp("softhsm"))
    if made is None:
        pytest.skip("no SoftHSM: make debian, or apt install softhsm2")
    return made


@pytest.fixture(params=["files", "token"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    if request.param == "files":
        yield FileKeys(tmp_path / "keys")
        return
    made: Token = request.getfixturevalue("token")
    tokens = TokenKeys(made.module, made.label, made.pin)
    yield tokens
    tokens.close()


def reopened(store: KeyStore, tmp_path: Path) -> KeyStore:
    """As another process opens it."""
    if isinstance(store, TokenKeys):
        store.close()
        return store
    return FileKeys(tmp_path / "keys")


def test_a_form_signed_in_the_store_verifies_by_the_public_key_alone(store: KeyStore) -> None:
    kid, public = store.make()
    assert kid == kid_of_key(public)
    assert "d" not in public.as_dict(private=False)
    keys = public_keys([public_jwk(kid, public)])
    form = verify(sign(PAYLOAD, store.signer(kid)), keys)
    assert (form.payload, form.kid) == (PAYLOAD, kid)
    other, _ = store.make()
    with pytest.raises(InvalidSignature):
        verify(sign(PAYLOAD, store.signer(other)), keys)


def test_a_key_is_there_after_a_restart_and_gone_when_it_was_destroyed(store: KeyStore, tmp_path: Path) -> None:
    kid, public = store.make()
    kept, _ = store.make()
    store = reopened(store, tmp_path)
    assert store.public(kid).as_dict(private=False)["x"] == public.as_dict(private=False)["x"]
    assert store.holds(kid)
    store.signer(kid).sign(b"a form")
    assert store.destroy(kid)
    for other in (store, reopened(store, tmp_path)):
        assert not other.holds(kid)
        assert not other.destroy(kid)
        with pytest.raises(KeyMissing, match="rotate the key"):
            other.signer(kid)
        assert other.holds(kept)


@pytest.mark.parametrize("kid", ["", "../keys/x", "0123456789abcdef"])
def test_a_kid_that_no_key_has_is_not_held(store: KeyStore, kid: str) -> None:
    assert not store.holds(kid)
    assert not store.destroy(kid)


async def test_keys_are_rotated_revoked_and_destroyed_alike(store: KeyStore, harness: Harness) -> None:
    keyring, pool = Keyring(store), harness.clearance.pool
    async with pool.acquire() as connection, connection.transaction():
        first = await keyring.rotate(connection, actor="test")
        form = sign(PAYLOAD, await keyring.signer(connection))
        assert await keyring.missing(connection) is None
        second = await keyring.rotate(connection, actor="test")
        assert not await keyring.destroy(connection, first, actor="test"), "it is not revoked"
        assert verify(form, await keyring.verifying(connection, form)).kid == first
        assert await keyring.revoke(connection, first, actor="test")
        assert await keyring.destroy(connection, first, actor="test")
        assert not await keyring.destroy(connection, first, actor="test"), "it is gone"
        with pytest.raises(InvalidSignature):
            verify(form, await keyring.verifying(connection, form))
        listed = {key.kid: key.has_private for key in await keyring.list_keys(connection)}
        assert (listed[first], listed[second]) == (False, True)
        assert (await keyring.signer(connection)).kid == second
        acts = await connection.fetch("SELECT act FROM audit.entry WHERE details::jsonb ->> 'kid' = $1", first)
        assert {row["act"] for row in acts} == {"key.add", "key.revoke", "key.destroy"}
        await Keyring(harness.store).rotate(connection, actor="test")


async def test_a_submission_is_signed_in_the_token_and_again_after_its_key_leaked(
    harness: Harness, token: Token
) -> None:
    tokens = TokenKeys(token.module, token.label, token.pin)
    keyring, pool = Keyring(tokens), harness.clearance.pool
    async with pool.acquire() as connection, connection.transaction():
        leaked = await Keyring(harness.store).rotate(connection, actor="test")
    student_id = await harness.student()
    await harness.submitted(student_id)
    async with pool.acquire() as connection, connection.transaction():
        kid = await keyring.rotate(connection, actor="test")
        signed = await SigningAgain(keyring, harness.topics.submission).batch(
            connection, leaked, after=FIRST, actor="test"
        )
        assert (signed.signed, signed.unsound) == (1, ())
        keys = public_keys((await jwk_set(connection))["keys"])
    row = await harness.submission(student_id)
    assert row is not None
    assert verify_text(row["qr_text"], keys).kid == kid == row["kid"]
    async with pool.acquire() as connection, connection.transaction():
        await Keyring(harness.store).rotate(connection, actor="test")
    await harness.deliver_all()
    tokens.close()


def test_a_private_key_cannot_be_read_out_of_the_token(token: Token) -> None:
    tokens = TokenKeys(token.module, token.label, token.pin)
    tokens.make()
    tokens.close()
    opened = pkcs11.lib(str(token.module)).get_token(token_label=token.label).open(user_pin=token.pin)
    with opened as session:
        (key, *_) = session.get_objects(
            {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.LABEL: LABEL}
        )
        assert (key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE]) == (True, False)
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


@pytest.mark.parametrize("wrong", [{"pin": "wrong"}, {"token": "another"}, {"module": Path("/nowhere.so")}])
def test_a_token_that_does_not_answer_is_a_missing_key_without_its_pin(token: Token, wrong: dict[str, Any]) -> None:
    tokens = TokenKeys(**{"module": token.module, "token": token.label, "pin": token.pin, **wrong})
    with pytest.raises(KeyMissing, match="does not answer") as raised:
        tokens.make()
    assert token.pin not in str(raised.value)


def test_a_session_that_the_token_ended_is_opened_again(token: Token) -> None:
    tokens = TokenKeys(token.module, token.label, token.pin)
    kid, public = tokens.make()
    signer = tokens.signer(kid)
    assert tokens._session is not None
    tokens._session.close()
    assert verify(sign(PAYLOAD, signer), public_keys([public_jwk(kid, public)])).kid == kid
    tokens.close()


async def test_a_store_that_hangs_delays_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TIMEOUT_S", 0.2)
    hung = asyncio.create_task(in_thread(time.sleep, 1.0))
    await asyncio.sleep(0)
    began_s = time.monotonic()
    await asyncio.to_thread(int)
    assert time.monotonic() - began_s < 0.9
    with pytest.raises(KeyMissing, match="did not answer"):
        await hung


def test_the_same_commands_serve_a_token(token: Token, harness: Harness) -> None:
    environment = {
        "LIXIAO_DATABASE": harness.clearance.dsn,
        "LIXIAO_KAFKA": "127.0.0.1:9",
        "LIXIAO_KEYS_MODULE": str(token.module),
        "LIXIAO_KEYS_TOKEN": token.label,
        "LIXIAO_KEYS_PIN": token.pin,
    }

    def keys(*arguments: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(key_commands, arguments, env=environment)
        assert done.exit_code == exit_code, done.output
        return done.output

    first = keys("rotate").split()[0]
    second = keys("rotate").split()[0]
    lines = {line.split()[0]: line for line in keys("list").splitlines()}
    assert "verifies" in lines[first]
    assert "signs" in lines[second]
    assert "not here" not in lines[first] + lines[second]
    assert {first, second} <= {key["kid"] for key in json.loads(keys("export"))["keys"]}
    assert "its private part destroyed" in keys("revoke", first)
    lines = {line.split()[0]: line for line in keys("list").splitlines()}
    assert "revoked" in lines[first]
    assert "its private part is not here" in lines[first]
    assert "no such retired key" in keys("revoke", second, exit_code=1)
