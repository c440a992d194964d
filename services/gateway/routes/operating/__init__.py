"""The operator's pages."""

from typing import Final

from fastapi import APIRouter

from services.gateway.routes.operating import (
    audit_pages,
    dead_letter_pages,
    key_pages,
    overview_pages,
    student_pages,
)

OPERATING_ROUTERS: Final[tuple[APIRouter, ...]] = (
    overview_pages.router,
    dead_letter_pages.router,
    student_pages.router,
    key_pages.router,
    audit_pages.router,
)
