"""Every route of the gateway, walked: its headers, its cookies, writes from elsewhere, and other people's data."""

import re
from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from playwright.async_api import Browser as Chromium
from playwright.async_api import ConsoleMessage

from deploy.local.http_clients import local_client
from services.gateway.app import gateway_app
from services.gateway.routes.public_verification import KEYS_ADDRESS
from services.gateway.routes.session.sign_in import CALLBACK
from services.gateway.settings import GatewaySettings
from services.gateway.web.guard import CAMERA_PAGES, PROVIDER_FORM_PAGES
from services.kit.observability import telemetry
from tests.support.browser.chromium import PC, open_context
from tests.support.browser.scene_setter import NOWHERE, Scene, SceneSetter, Visitor
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.student_states import card_open, clear, completed, waiting
from tests.support.gateway.server import BrowserClient

SAFE: Final = frozenset({"GET", "HEAD"})
WITHOUT_TOKEN: Final = frozenset({"/language", "/verify", "/sign-in/number", "/sign-in/logout-token", CALLBACK})
"""Writes that need no token of the session: they touch nothing of anybody, or have a token of their own."""
FILLED: Final = {"department": "library", "command": "cancel-card"}
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route, as the application has them."""
    settings = GatewaySettings(
        kafka="127.0.0.1:9",
        database=NOWHERE,
        read_model=NOWHERE,
        openid_issuer="http://127.0.0.1:9",
        openid_client_id="gateway",
    )
    for route in iter_route_contexts(gateway_app(settings, traced=telemetry.build("test", exporters=[])).routes):
        for method in sorted(route.methods or ()):
            yield method, route.path or ""


def filled(path: str, value: str = "") -> str:
    """A path with its parameters filled: with `value`, or with ones that exist."""
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda place: value or FILLED.get(place[1], "none"), path)


async def ask(browser: BrowserClient, method: str, address: str, **more: object) -> httpx.Response:
    """An answer, of a stream only its head."""
    headers = browser.headers({"accept": "*/*"})
    async with (
        local_client(browser.gateway.address, timeout=20) as http,
        http.stream(method, address, headers=headers, **more) as response,  # type: ignore[arg-type]
    ):
        if "event-stream" not in response.headers.get("content-type", ""):
            await response.aread()
        return response


def is_guarded(response: httpx.Response) -> bool:
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["content-security-policy"].split(";"))
    assert "unsafe" not in response.headers["content-security-policy"]
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    path, kept = response.request.url.path, "no-store"
    itself, *others = policy["form-action"].split()
    assert (policy["base-uri"], itself) == ("'none'", "'self'")
    assert len(others) <= (path in PROVIDER_FORM_PAGES), "to the provider, from the pages that end its session"
    camera = "camera=(self)" if path in CAMERA_PAGES else "camera=()"
    for name, value in HEADERS.items():
        assert response.headers[name] == value
    assert camera in response.headers["permissions-policy"]
    if response.status_code == 200 and path.startswith("/static/"):
        kept = "immutable"
    elif response.status_code == 200 and path == KEYS_ADDRESS:
        kept = "public"
    assert kept in response.headers["cache-control"]
    return True


async def test_every_answer_is_guarded_pages_errors_streams_and_files_alike(scenes: SceneSetter) -> None:
    actor, stranger = await scenes.actor(), BrowserClient(scenes.gateway)
    await completed(scenes, actor)
    walked = list(routes())
    assert {path for _, path in walked} >= {"/", "/case", "/case/live", "/submit", "/completed", "/api/v1/case"}
    page = (await actor.http.get("/case")).text
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(files) >= 3
    addresses = [*((method, filled(path)) for method, path in walked), *(("GET", file) for file in files)]
    statuses = set()
    for method, address in [*addresses, ("GET", "/nothing"), ("TRACE", "/"), ("DELETE", "/case"), ("POST", "/case")]:
        for browser in (stranger, actor.http):
            answer = await ask(browser, method, address)
            assert is_guarded(answer), f"{method} {address}"
            statuses.add(answer.status_code)
            assert answer.status_code < 500 or address == "/health/ready", "there is no broker on this scenes"
    too_large = await ask(actor.http, "POST", "/submit", content=b"x" * 3_000_000)
    assert is_guarded(too_large)
    assert {200, 303, 401, 403, 404, 405} <= statuses | {too_large.status_code}
    await stranger.close()


async def test_cookies_stay_on_this_host_out_of_scripts_and_off_other_sites(scenes: SceneSetter) -> None:
    actor = await scenes.actor()
    await actor.http.post("/language", {"language": "en", "back": "/"})
    await actor.http.post("/sign-out", {"csrf": await actor.http.csrf()})
    names: set[str] = set()
    for line in actor.http.set_cookies:
        name, *attributes = [part.strip().lower() for part in line.split(";")]
        names.add(re.sub("^__host-sign-in-.{16}$", "__host-sign-in-", name.partition("=")[0]))
        assert name.startswith("__host-")
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(attributes), line
        assert not [one for one in attributes if one.startswith("domain")]
    assert names == {"__host-sid", "__host-sign-in-", "__host-language"}


async def test_a_write_without_the_token_or_from_another_site_is_refused_on_every_route(scenes: SceneSetter) -> None:
    writes = [(method, path) for method, path in routes() if method not in SAFE]
    assert len(writes) >= 7
    for method, path in writes:
        actor = await scenes.actor()
        await (clear if "submi" in path else card_open)(scenes, actor)
        cookie, fields = actor.http.headers()["cookie"], {"csrf": await actor.http.csrf(), "kept": "yes"}
        if path not in WITHOUT_TOKEN:
            for token in ({}, {"csrf": "x" * 43}):
                bare = {**token, "kept": "yes"}
                body = {"json": {"kept": True}} if path.startswith("/api/") else {"data": bare}
                answer = await ask(actor.http, method, filled(path), **body)
                assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
        for site in ("cross-site", "same-site", "none"):
            async with local_client(scenes.gateway.address) as http:
                headers = {"cookie": cookie, "sec-fetch-site": site, "x-csrf-token": fields["csrf"]}
                answer = await http.request(method, filled(path), data=fields, headers=headers)
            assert answer.status_code == 403, f"{method} {path} {site}: {answer.status_code}"
        assert (await actor.http.get("/api/v1/commands")).json() == []
        assert (await actor.http.get("/api/v1/favourite")).json() == {"kept": False}


async def test_nobody_reaches_anybody_elses_data_by_naming_them(scenes: SceneSetter) -> None:
    other = await scenes.actor()
    await scenes.clearance.put_case(other.student_id, name="欧阳别人")
    await scenes.clearance.all_clear(other.student_id)
    reader = await scenes.actor()
    await waiting(scenes, reader)
    for method, path in routes():
        # Somebody new for each: one may have signed out by the one before, or asked too often.
        curious = await scenes.actor()
        await waiting(scenes, curious)
        for address in (filled(path), filled(path, other.student_id)):
            answer = await _naming(curious, other.student_id, method, address)
            assert answer.status_code != 429
            said = answer.text if "event-stream" not in answer.headers.get("content-type", "") else ""
            assert other.student_id not in said.replace(address, ""), f"{method} {path}"
            assert "欧阳别人" not in said, f"{method} {path}"
    async with reader.http.stream(f"/case/live?student_id={other.student_id}") as stream:
        first = await anext(stream.aiter_text())
    assert reader.student_id in first
    assert other.student_id not in first
    assert (await other.http.get("/api/v1/commands")).json() == []


async def _naming(curious: Visitor, other: str, method: str, address: str) -> httpx.Response:
    """Ask for somebody else in every way there is: query, headers, form."""
    token = "" if method in SAFE else str((await curious.http.get("/api/v1/me")).json().get("csrf", ""))
    headers = curious.http.headers({"x-student-id": other, "x-csrf-token": token, "x-original-url": f"/case/{other}"})
    fields = {"csrf": token, "student_id": other, "sub": other, "kept": "yes"}
    async with local_client(curious.gateway.address, timeout=20) as http:
        query = {"student_id": other, "sub": other}
        request = http.build_request(method, address, params=query, headers=headers, data=fields if token else None)
        response = await http.send(request, stream=True)
        if "event-stream" not in response.headers.get("content-type", ""):
            await response.aread()
        await response.aclose()
        return response


@pytest.mark.parametrize("scene", [BY_NAME["guide"], BY_NAME["case-blocked"], BY_NAME["completed"]], ids=str)
async def test_a_script_or_style_put_into_a_page_does_not_run(
    scenes: SceneSetter, browser: Chromium, scene: Scene
) -> None:
    actor = await scenes.play(scene)
    context = await open_context(browser, PC, address=scenes.gateway.address, cookies=actor.cookies if actor else {})
    refused: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    context.on("console", heard)
    page = await context.new_page()
    await page.goto(scene.address)
    assert refused == [], "the page itself needs nothing that its policy forbids"
    await page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const probe = "<p id='probe' style='color: red' onclick='window.ran = true'>";
            document.body.insertAdjacentHTML("beforeend", probe);
            document.getElementById("probe").click();
        }"""
    )
    assert await page.evaluate("window.ran === undefined")
    assert await page.evaluate("getComputedStyle(document.getElementById('probe')).color") != "rgb(255, 0, 0)"
    assert len(refused) >= 2
    loaded = await page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    assert [one for one in loaded if not one.startswith(f"{scenes.gateway.address}/")] == []
    await context.close()
