"""What every service answers operators about itself."""

from typing import Any

import asyncpg
from fastapi import APIRouter

from services.kit.http.operators.audit_routes import audit_router
from services.kit.http.operators.key_routes import key_router
from services.kit.http.operators.token_routes import token_router
from services.kit.settings import Settings


def operator_routers(pool: "asyncpg.Pool[Any]", settings: Settings) -> tuple[APIRouter, ...]:
    """Role `operator`: audit, tokens, keys."""
    return audit_router(pool), token_router(pool), key_router(settings)
