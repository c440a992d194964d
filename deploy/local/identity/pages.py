"""The provider's pages, without scripts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.local.identity.people import Person, grouped

_TEMPLATES = Path(__file__).parent / "templates"
MAX_SEARCH_CHARACTERS = 64
REQUEST_FIELDS = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method"),
)


class Pages:
    def __init__(self, university_zh: str, university_en: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.globals.update(university_zh=university_zh, university_en=university_en)
        self._css = (_TEMPLATES / "style.css").read_bytes()

    def sign_in(
        self, redirect_uri: str, parameters: Mapping[str, str], people: Sequence[Person], search: str
    ) -> Response:
        """The choice carries the request's parameters."""
        search = search[:MAX_SEARCH_CHARACTERS].strip()
        address = urlsplit(redirect_uri)
        return self._page(
            "sign_in.html",
            # Chromium applies form-action to the redirect after the form as well.
            form_targets=f"'self' {address.scheme}://{address.netloc}",
            groups=grouped(people, search),
            fields={name: parameters[name] for name in REQUEST_FIELDS if name in parameters},
            search=search,
            people_count=len(people),
        )

    async def front(self) -> Response:
        return self._message(
            "演示用的身份认证",
            "This provider only signs people in",
            "请从离校服务的页面开始登录。",
            "Start from the departure service's own page.",
        )

    def signed_out(self) -> Response:
        return self._message("已退出登录", "You are signed out", "可以关闭此页面。", "You can close this page.")

    def refused(self, reason: str) -> Response:
        """For a request that cannot be answered by sending the browser back."""
        return self._message(
            "无法登录",
            "This sign-in request cannot be used",
            "请返回离校服务重新登录。",
            f"Go back to the service and sign in again. Reason: {reason}.",
            status=400,
        )

    async def style(self) -> Response:
        return Response(self._css, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    def _message(self, title_zh: str, title_en: str, text_zh: str, text_en: str, status: int = 200) -> Response:
        return self._page(
            "message.html", status=status, title_zh=title_zh, title_en=title_en, text_zh=text_zh, text_en=text_en
        )

    def _page(self, template: str, form_targets: str = "'none'", status: int = 200, **values: object) -> Response:
        policy = (
            f"default-src 'none'; style-src 'self'; form-action {form_targets}; base-uri 'none'; frame-ancestors 'none'"
        )
        html = self._templates.get_template(template).render(**values)
        return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": policy})
