"""An installation's databases, seen by a superuser."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from deploy.local.servers.postgres import dsn_of
from schemas.flows import SHARED
from schemas.topics import Topics
from services.kit.manifests import DepartmentManifest
from services.kit.provisioning.roles import owner_of


class Databases:
    """`postgres`: a superuser's DSN."""

    def __init__(self, postgres: str, topics: Topics, departments: Mapping[str, DepartmentManifest]) -> None:
        self.topics = topics
        self.departments = departments
        self._postgres = postgres
        self._connections: dict[str, asyncpg.Connection[Any]] = {}

    @property
    def namespace(self) -> str:
        return self.topics.namespace

    async def database(self, service: str) -> "asyncpg.Connection[Any]":
        """Shared and kept open."""
        connection = self._connections.get(service)
        if connection is None or connection.is_closed():
            connection = self._connections[service] = await self.connect(service)
        return connection

    async def connect(self, service: str) -> "asyncpg.Connection[Any]":
        """The caller's own."""
        return await asyncpg.connect(self.database_dsn(service), timeout=10)

    def database_dsn(self, service: str) -> str:
        return dsn_of(self._postgres, self.database_name(service))

    def database_name(self, service: str) -> str:
        return f"{self.namespace}_{service}".replace("-", "_")

    async def drop_databases(self) -> None:
        """With their roles, ending all sessions."""
        for shared in self._connections.values():
            shared.terminate()
        connection = await asyncpg.connect(self._postgres, timeout=10)
        try:
            for name in (*self.departments, *SHARED):
                database = self.database_name(name)
                await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
                await connection.execute(f'DROP ROLE IF EXISTS "{database}", "{owner_of(database)}"')
        finally:
            await connection.close()
