"""Command line of receipts."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from joserfc.jwk import OKPKey

from services.clearance.receipts.configured import keyring_of
from services.clearance.receipts.signing_keys import Keyring, jwk_set
from services.clearance.settings import ClearanceSettings
from services.kit.audit.log import command_line_actor
from services.kit.postgres.command_line import one_transaction
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import InvalidSignature, public_keys
from services.kit.receipts.qr import verify_text
from services.kit.settings import load

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_FORM: Final = re.compile(
    rb"LXF1:[0-9A-Z $%*+\-./:]+(?<! )|LXF2:[0-9A-Z$*\-/:]+"
    rb"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{86}(?![A-Za-z0-9_-])"
)
OF_A_KEY: Final = {"ignore_unknown_options": True}
"""Of commands about one key, whose id may begin with a dash."""
keys = typer.Typer(help="Signing keys of forms.", no_args_is_help=True)


@keys.command("list")
def list_keys() -> None:
    """List keys, oldest first: creation time, state, and whether the private part is on this machine."""

    async def work(connection: Connection, keyring: Keyring) -> None:
        for key in await keyring.list_keys(connection):
            state = "revoked" if key.revoked_at else "verifies" if key.retired_at else "signs"
            here = "" if key.has_private else "  (its private part is not here)"
            typer.echo(f"{key.kid}  {key.created_at:%Y-%m-%d %H:%M:%S}  {state}{here}")

    _with_keyring(work)


@keys.command("rotate")
def rotate_key() -> None:
    """Sign with a new key from now on. Older forms still verify."""

    async def work(connection: Connection, keyring: Keyring) -> None:
        typer.echo(f"{await keyring.rotate(connection, actor=command_line_actor())} signs from now on")

    _with_keyring(work)


@keys.command("revoke", context_settings=OF_A_KEY)
def revoke_key(kid: str) -> None:
    """Revoke a retired key whose private part leaked, and destroy that: forms signed with it no longer verify."""

    async def work(connection: Connection, keyring: Keyring) -> None:
        if not await keyring.revoke(connection, kid, actor=command_line_actor()):
            typer.echo("There is no such retired key. Rotate first, then revoke the previous key.", err=True)
            raise typer.Exit(1)
        destroyed = await keyring.destroy(connection, kid, actor=command_line_actor())
        typer.echo(f"{kid} is revoked, " + ("its private part destroyed" if destroyed else "its private part not here"))

    _with_keyring(work)


@keys.command("export")
def export_keys() -> None:
    """Print the public keys as a JWK set, for `verify --jwks` on a machine without the database."""

    async def work(connection: Connection, _: Keyring) -> None:
        typer.echo(json.dumps(await jwk_set(connection), indent=2))

    _with_keyring(work)


def verify_form(
    file: Annotated[Path | None, typer.Argument(help="A file with one form: its receipt or its QR text.")] = None,
    text: Annotated[str | None, typer.Option(help="The receipt or the QR text itself.")] = None,
    jwks: Annotated[Path | None, typer.Option(help="A JWK set; the database's by default.")] = None,
) -> None:
    """Verify a form and print what was signed. Exits with 1 if it is not genuine."""
    if (file is None) is (text is None):
        raise typer.BadParameter("give either a file or --text")
    try:
        form = verify_text(text if text is not None else form_in(_bytes_of(file)), _public_keys(jwks))
    except InvalidSignature as forged:
        typer.echo(f"NOT GENUINE: {forged}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"genuine, signed with key {form.kid}")
    typer.echo(json.dumps(form.payload, ensure_ascii=False, indent=2))


def form_in(content: bytes) -> str:
    """The one receipt or QR text in a file. Raises `InvalidSignature`."""
    found = set(_FORM.findall(content))
    if len(found) != 1:
        raise InvalidSignature(
            "there is no form in this file" if not found else "there is more than one form in this file"
        )
    return str(found.pop(), "ascii")


def _bytes_of(file: Path | None) -> bytes:
    assert file is not None
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise typer.BadParameter(f"the file has more than {MAX_FILE_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"the file cannot be read: {error.strerror}") from None


def _public_keys(jwks: Path | None) -> dict[str, OKPKey]:
    if jwks is None:
        listed: list[dict[str, Any]] = []

        async def work(connection: Connection, _: Keyring) -> None:
            listed.extend((await jwk_set(connection))["keys"])

        _with_keyring(work)
        return public_keys(listed)
    try:
        return public_keys(json.loads(jwks.read_text("utf-8"))["keys"])
    except (OSError, ValueError, KeyError, TypeError):
        raise typer.BadParameter("not a file with a JWK set", param_hint="--jwks") from None


def _with_keyring(work: Callable[[Connection, Keyring], Awaitable[None]]) -> None:
    settings = load(ClearanceSettings)

    async def run() -> None:
        async with one_transaction(settings.database) as connection:
            await work(connection, keyring_of(settings))

    asyncio.run(run())
