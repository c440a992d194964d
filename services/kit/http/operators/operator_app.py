"""What an operator's port serves besides the service itself: health by part, metrics, the API's documents."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from services.kit.http.error_handlers import HANDLERS
from services.kit.http.middleware import RequestLimits
from services.kit.http.operators.schema_pages import schema_routes
from services.kit.http.operators.swagger_ui import documentation_routes
from services.kit.observability.telemetry import Telemetry
from services.kit.runtime.health import Health, HealthReport


class _OperatorApp(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return RequestLimits(super().build_middleware_stack())


def operator_app(
    service: FastAPI, *, health: Health, telemetry: Telemetry | None, docs: bool, metrics: bool
) -> FastAPI:
    """The `service` is there too, so that requests can be tried from the documents: no other origin is allowed to."""
    app = _OperatorApp(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=HANDLERS,
        telemetry={"tracing": False, "metrics": False},
    )
    app.include_router(health_routes(health, detailed=True))
    if docs:
        app.include_router(documentation_routes(service))
        app.include_router(schema_routes())
    if telemetry is not None and metrics:
        app.include_router(_metrics_route(telemetry))
    app.mount("/", service)
    return app


def health_routes(health: Health, *, detailed: bool) -> APIRouter:
    """Not `detailed`: a status and nothing about the parts, for a load balancer on the service's own port."""
    router = APIRouter(prefix="/health", include_in_schema=False)

    def as_response(report: HealthReport) -> JSONResponse:
        document = report.as_json()
        return JSONResponse(document if detailed else {"status": document["status"]}, 200 if report.healthy else 503)

    @router.get("/live")
    async def live() -> Response:
        return as_response(await health.live())

    @router.get("/ready")
    async def ready() -> Response:
        return as_response(await health.ready())

    return router


def _metrics_route(telemetry: Telemetry) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        body, media_type = telemetry.metrics_text(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    return router
