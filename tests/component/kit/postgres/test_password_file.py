"""The password of a service's role in a file of PostgreSQL's own kind: replaced while the service works."""

from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.kit.postgres.pool import open_pool


async def test_a_replaced_password_is_used_for_new_connections_and_those_before_go_on(
    database: str, tmp_path: Path
) -> None:
    role, address, file = f"lx_{token_hex(6)}", urlsplit(database), tmp_path / "password"
    superuser = await asyncpg.connect(database)

    async def renewed(password: str) -> None:
        file.write_text(f"{address.hostname}:{address.port}:*:{role}:{password}\n")
        file.chmod(0o600)
        await superuser.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")

    await superuser.execute(f"CREATE ROLE {role}")
    try:
        await renewed("the-first")
        dsn = f"postgresql://{role}@{address.hostname}:{address.port}{address.path}?passfile={file}"
        pool = await open_pool(dsn, name="test")
        async with pool.acquire() as before:
            await renewed("the-second")
            assert await before.fetchval("SELECT current_user") == role
            async with pool.acquire() as after:
                assert await after.fetchval("SELECT current_user") == role
                first, second = [await one.fetchval("SELECT pg_backend_pid()") for one in (before, after)]
        assert first != second
        file.write_text(file.read_text().replace("the-second", "the-first"))
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(dsn)
        await pool.close()
    finally:
        await superuser.execute(f"DROP ROLE {role}")
        await superuser.close()
