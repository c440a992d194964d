"""Which department vouches for which cohort, since when and by whom; how old its data is, and what is not settled."""

from fastapi import APIRouter, Response

from services.gateway.routes.dependencies import CurrentSite, Sources
from services.gateway.routes.roster.roster_office import CurrentRoster

router = APIRouter(include_in_schema=False)


@router.get("/roster/sources")
async def sources(office: CurrentRoster, site: CurrentSite, reader: Sources) -> Response:
    found = await reader.sources(office.person, site.departments)
    return office.page("roster_sources.html", sources=found, bound_s=site.freshness_bound_s)
