"""The graduate school's roster as pages."""

from typing import Final

from fastapi import APIRouter

from services.gateway.routes.roster import entry_pages, list_pages, source_pages
from services.gateway.routes.roster.roster_office import roster_office
from services.gateway.routes.staff.import_pages import import_routes

ROSTER_ROUTERS: Final[tuple[APIRouter, ...]] = (
    list_pages.router,
    entry_pages.router,
    source_pages.router,
    import_routes("/roster", roster_office),
)
