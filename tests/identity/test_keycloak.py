"""Signing in and out at a real Keycloak."""

import pytest

from tests.identity.conftest import GatewayMaker, openid
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.visits import rows
from tests.support.identity.keycloak import Keycloak
from tests.support.identity.web_browser import WebBrowser
from tests.support.waiting import eventually

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


async def test_a_student_signs_in_with_the_number_of_an_attribute(
    keycloak: Keycloak, keycloak_gateway: RunningGateway, at_keycloak: WebBrowser
) -> None:
    page = await at_keycloak.sign_in("student")
    assert (page.status, page.path) == (200, "/case"), page.text
    (session,) = await rows(
        keycloak_gateway.database, "SELECT issuer, subject, sid FROM session WHERE student_id = 'TS22010001'"
    )
    assert (session["issuer"], session["subject"]) == (keycloak.issuer, await keycloak.user("student"))
    assert session["sid"], "Keycloak names its session"
    assert not [url for url in at_keycloak.visited if "TS2201" in url or "%E8%8B%8F" in url], (
        "no address names a person"
    )


async def test_the_realm_wants_pkce(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    await at_keycloak.open("/sign-in")
    asked = next(url for url in at_keycloak.visited if "/protocol/openid-connect/auth?" in url)
    assert "code_challenge_method=S256" in asked
    page = await at_keycloak.open(asked.replace("code_challenge=", "x="))
    assert any("error=invalid_request" in url for url in at_keycloak.visited)
    assert page.status == 400


async def test_a_clerk_has_the_roles_of_the_realm(at_keycloak: WebBrowser) -> None:
    page = await at_keycloak.sign_in("clerk", place="desk")
    assert (page.status, page.path) == (200, "/desk"), page.text
    assert (await at_keycloak.open("/staff/library")).status == 200


async def test_several_numbers_of_one_attribute_are_a_choice(at_keycloak: WebBrowser) -> None:
    page = await at_keycloak.sign_in("returned")
    assert page.path == "/sign-in/number"
    assert "TS22010002" in page.text
    assert "TS19010002" in page.text


async def test_a_wrong_password_stays_at_keycloak(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    page = await at_keycloak.sign_in("student", "wrong")
    assert page.url.startswith(keycloak.address)
    assert page.asks_for_a_password
    assert not await at_keycloak.is_in()


async def test_an_account_without_a_number_is_told_so_and_leaves_for_another(at_keycloak: WebBrowser) -> None:
    page = await at_keycloak.sign_in("guest")
    assert page.status == 403
    assert "当前账号没有学号" in page.text
    assert (await at_keycloak.open("/sign-in")).status == 403, "the session at Keycloak signs the guest in again"
    gone = await at_keycloak.leave(page)
    assert gone.url.endswith("/signed-out?state=everywhere")
    assert (await at_keycloak.sign_in("student")).path == "/case"


async def test_signing_out_asks_the_next_person_on_this_machine_for_a_password(at_keycloak: WebBrowser) -> None:
    await at_keycloak.sign_in("student")
    again = await at_keycloak.open("/sign-in")
    assert again.path == "/case", "one session at Keycloak serves everything"
    gone = await at_keycloak.sign_out()
    assert gone.url.endswith("/signed-out?state=everywhere"), "Keycloak asks nothing"
    assert "已退出离校服务和统一身份认证" in gone.text
    next_person = await at_keycloak.open("/sign-in")
    assert next_person.asks_for_a_password
    assert not [url for url in at_keycloak.visited if "id_token_hint" in url], "the token is in no address"


async def test_without_the_token_keycloak_asks_first(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    """Which is why the token is kept: the person has left by then."""
    await at_keycloak.sign_in("student")
    asked = await at_keycloak.leave(await at_keycloak.open("/signed-out"))
    assert asked.url.startswith(keycloak.address)
    assert (await at_keycloak.open("/sign-in")).path == "/case"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_algorithm_of_the_realm_signs_in(
    keycloak: Keycloak, at_keycloak: WebBrowser, algorithm: str
) -> None:
    await keycloak.make_key(algorithm)
    await keycloak.sign_with(algorithm)
    try:
        await signs_in(at_keycloak, "student")
        gone = await at_keycloak.sign_out()
        assert gone.url.endswith("/signed-out?state=everywhere")
    finally:
        await keycloak.sign_with("RS256")


async def test_a_key_is_replaced_while_people_are_signed_in(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    await at_keycloak.sign_in("clerk", place="desk")
    before = [one for one in await keycloak.keys() if one["providerId"] == "rsa-generated"]
    await keycloak.make_key("RS256", priority=500)
    await keycloak.retire(before)
    # The token of a refresh is signed by the new key, and the roles are asked about again.
    assert (await at_keycloak.open("/staff/library")).status == 200
    async with WebBrowser(at_keycloak.gateway) as another:
        await signs_in(another, "student")
    assert await at_keycloak.is_in()
    gone = await at_keycloak.sign_out()
    assert gone.url.endswith("/signed-out?state=everywhere"), "a passive key still verifies the token"


async def test_a_role_taken_away_is_gone_at_the_next_look(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    await at_keycloak.sign_in("clerk", place="desk")
    assert (await at_keycloak.open("/staff/library")).status == 200
    await keycloak.change_role("DELETE", "clerk", "desk:library")
    try:

        async def refused() -> bool:
            return (await at_keycloak.open("/staff/library")).status == 403

        await eventually(refused, what="the role to be gone", timeout_s=60)
        assert (await at_keycloak.open("/desk")).status == 200
    finally:
        await keycloak.change_role("POST", "clerk", "desk:library")


async def test_keycloak_ends_sessions_by_itself(keycloak: Keycloak, at_keycloak: WebBrowser) -> None:
    async with WebBrowser(at_keycloak.gateway) as other:
        await at_keycloak.sign_in("student")
        await other.sign_in("clerk", place="desk")
        await keycloak.sign_out("student")

        async def out() -> bool:
            return not await at_keycloak.is_in()

        await eventually(out, what="the logout token", timeout_s=30)
        assert await other.is_in()


async def test_claims_may_be_at_userinfo_alone(
    keycloak: Keycloak, keycloak_gateway: RunningGateway, make_gateway: GatewayMaker
) -> None:
    asking = await make_gateway(**openid(keycloak), openid_userinfo=True)
    await keycloak.mappers_in_id_token(False)
    try:
        async with WebBrowser(keycloak_gateway.address) as browser:
            assert (await browser.sign_in("student")).status == 403, "nothing is asked that the settings do not name"
        await keycloak.register(asking.address)
        for username, place in (("student", "case"), ("clerk", "desk")):
            async with WebBrowser(asking.address) as browser:
                assert (await browser.sign_in(username, place=place)).path == f"/{place}"
    finally:
        await keycloak.mappers_in_id_token(True)
        await keycloak.register(keycloak_gateway.address)


async def test_a_wrong_client_secret_is_our_fault_and_said_so(
    keycloak: Keycloak, keycloak_gateway: RunningGateway, make_gateway: GatewayMaker
) -> None:
    wrong = await make_gateway(**{**openid(keycloak), "openid_client_secret": "another secret"})
    await keycloak.register(wrong.address)
    try:
        async with WebBrowser(wrong.address) as browser:
            page = await browser.sign_in("student")
            assert page.status == 503
            assert "统一身份认证暂时无法连接" in page.text
    finally:
        await keycloak.register(keycloak_gateway.address)


async def test_a_keycloak_that_does_not_answer_is_given_up_and_tried_again(
    keycloak: Keycloak, keycloak_gateway: RunningGateway, make_gateway: GatewayMaker
) -> None:
    hasty = await make_gateway(**openid(keycloak), sign_in_timeout_s=5.0)
    await keycloak.register(hasty.address)
    try:
        async with WebBrowser(hasty.address) as browser:
            browser.stops_at = "/sign-in/callback"
            back = (await browser.sign_in("student")).response.headers["location"]
            browser.stops_at = ""
            keycloak.process.pause()
            try:
                page = await browser.open(back)
                assert page.status == 503
                assert "统一身份认证暂时无法连接" in page.text
                assert (await browser.open("/")).status == 200, "everything else goes on"
            finally:
                keycloak.process.resume()

            await signs_in(browser, "student")
    finally:
        await keycloak.register(keycloak_gateway.address)


async def signs_in(browser: WebBrowser, username: str) -> None:
    """Within some seconds: a key that is new is looked for every five at most."""

    async def done() -> bool:
        return (await browser.sign_in(username)).path == "/case"

    await eventually(done, what="the sign-in", timeout_s=120, poll_s=1)
