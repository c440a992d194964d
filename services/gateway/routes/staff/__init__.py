"""The departments' desks as pages."""

from typing import Final

from fastapi import APIRouter

from services.gateway.routes.staff import (
    export_routes,
    import_pages,
    mass_pages,
    progress_pages,
    record_pages,
    reminder_pages,
    work_list_pages,
)

STAFF_ROUTERS: Final[tuple[APIRouter, ...]] = (
    work_list_pages.router,
    record_pages.router,
    mass_pages.router,
    export_routes.router,
    import_pages.router,
    progress_pages.router,
    reminder_pages.router,
)
