"""What every service answers: headers, health, documentation and metrics."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from services.kit.observability.telemetry import build
from services.kit.runtime.health import Health
from tests.component.kit.http.application import SECRET, application, client_of, problem_of


@pytest.mark.parametrize("path", ["/problem", "/mistake", "/nowhere", "/health/live", "/desk"])
async def test_every_answer_is_not_stored_and_not_sniffed(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


async def test_health_tells_a_live_process_from_a_ready_one(tmp_path: Path) -> None:
    health = Health(timeout_s=0.05)
    app = application(tmp_path, health=health)

    async def well() -> str | None:
        return None

    async def behind() -> str | None:
        return "12 records behind"

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    async def raises() -> str | None:
        raise RuntimeError(SECRET)

    async with client_of(app.state.operator) as client, client_of(app) as stranger:
        assert (await client.get("/health/ready")).json() == {"status": "ok", "checks": {}}
        health.add("loop", well, live=True)
        health.add("relay", behind)
        assert (await client.get("/health/live")).status_code == 200
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"]["relay"] == {"ok": False, "detail": "12 records behind"}
        assert answer.json()["checks"]["loop"] == {"ok": True, "detail": None}
        health.add("relay", hangs)
        health.add("database", raises)
        checks = (await client.get("/health/ready")).json()["checks"]
        assert checks["relay"]["detail"] == "no answer within 0.05 s"
        assert checks["database"] == {"ok": False, "detail": "RuntimeError"}
        public = await stranger.get("/health/ready")
        assert (public.status_code, public.json()) == (503, {"status": "unwell"})


async def test_documentation_describes_problems_and_can_be_turned_off(tmp_path: Path) -> None:
    async with client_of(application(tmp_path).state.operator) as client:
        document = (await client.get("/openapi.json")).json()
        answers = document["paths"]["/loans"]["post"]["responses"]
        assert "application/problem+json" in answers["default"]["content"]
        assert answers["422"] == {"$ref": "#/components/responses/Problem422"}
        assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
    async with client_of(application(tmp_path, docs=False).state.operator) as client:
        for path in ("/docs", "/openapi.json", "/redoc"):
            problem_of(await client.get(path), 404)


async def test_the_documentation_page_needs_no_other_host(tmp_path: Path) -> None:
    async with client_of(application(tmp_path).state.operator) as client:
        page = await client.get("/docs")
        needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(needed) == 3
        for address in needed:
            assert not address.startswith(("http", "//"))
            assert (await client.get(f"/{address}")).status_code == 200, address
        assert "url: 'openapi.json'" in page.text
        assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_the_contract_can_be_read_in_a_browser_and_every_link_of_it_leads_to_a_file(tmp_path: Path) -> None:
    async with client_of(application(tmp_path).state.operator) as client:
        page = await client.get("/schemas")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "<script" not in page.text
        addresses = re.findall(r"""href=["']([^"']+)["']""", page.text)
        kinds = {"schemas/openapi/library.json", "schemas/asyncapi.yaml", "schemas/json/lixiao.status-changed.v1.json"}
        assert kinds <= set(addresses)
        for address in addresses:
            answer = await client.get(f"/{address}")
            assert answer.status_code == 200, address
        assert (await client.get("/schemas/json/lixiao.status-changed.v1.json")).json()["title"] == "StatusChanged"
        for address in ("/schemas/events.py", "/schemas/json/..%2fevents.py", "/schemas/openapi/answers/library.json"):
            problem_of(await client.get(address), 404)
    async with client_of(application(tmp_path, docs=False).state.operator) as client:
        problem_of(await client.get("/schemas"), 404)


@pytest.mark.parametrize("path", ["/metrics", "/schemas", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/redoc"])
async def test_what_is_for_operators_is_not_on_the_services_own_port(tmp_path: Path, path: str) -> None:
    app = application(tmp_path, telemetry=build("library", exporters=[]))
    async with client_of(app) as client:
        problem_of(await client.get(path), 404)


async def test_a_request_can_be_tried_from_the_documents(tmp_path: Path) -> None:
    async with client_of(application(tmp_path).state.operator) as client:
        problem_of(await client.get("/desk"), 401)


async def test_metrics_are_shown_only_where_they_are_wanted(tmp_path: Path) -> None:
    telemetry = build("library", exporters=[])
    async with client_of(application(tmp_path, telemetry=telemetry).state.operator) as client:
        await client.get("/problem")
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'http_route="/problem"' in answer.text
        assert "/metrics" not in answer.text
    async with client_of(application(tmp_path, telemetry=telemetry, metrics=False).state.operator) as client:
        problem_of(await client.get("/metrics"), 404)
