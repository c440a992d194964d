"""Sign-out: here, and at the provider, so that whoever comes next on this machine has to sign in."""

from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.gateway.routes.dependencies import Language, Pages, Provider, SessionTable, Settings, Streams, Visitor
from services.gateway.routes.session.sign_pages import EVERYWHERE, SIGNED_OUT, sign_out_form, sign_page
from services.gateway.web.cookies import SESSION_COOKIE, drop_cookie
from services.gateway.web.csrf import CsrfForm, check_csrf

_CLEARED: Final = '"cache", "storage"'
"""Not the cookies: the language is one, and a sign-in in another tab."""

router = APIRouter(include_in_schema=False)


@router.post("/sign-out")
async def sign_out(
    provider: Provider,
    settings: Settings,
    sessions: SessionTable,
    streams: Streams,
    session: Visitor,
    form: CsrfForm,
    pages: Pages,
    texts: Language,
) -> Response:
    """Ends the live pages too, then the provider's session. No error without a session."""
    leave = None
    if session is not None:
        check_csrf(session, form.csrf)
        id_token = await sessions.id_token(session)
        await sessions.end(session.id_hash)
        streams.end(session.id_hash)
        leave = await sign_out_form(provider, settings, id_token)
    if leave is None:
        response: Response = RedirectResponse(SIGNED_OUT, 303)
    else:
        response = sign_page(
            pages, texts, texts("sign.leaving_title"), texts("sign.leaving_text"), 200, leave, leaving=True
        )
    response.headers["Clear-Site-Data"] = _CLEARED
    drop_cookie(response, SESSION_COOKIE)
    return response


@router.get(SIGNED_OUT)
async def signed_out(
    provider: Provider, settings: Settings, pages: Pages, texts: Language, state: str = ""
) -> Response:
    if state == EVERYWHERE:
        return sign_page(pages, texts, texts("sign.out_title"), texts("sign.out_everywhere"), 200)
    leave = await sign_out_form(provider, settings, None)
    return sign_page(pages, texts, texts("sign.out_title"), texts("sign.out_text"), 200, leave)
