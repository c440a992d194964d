"""A student who has no paper, at the certificate desk: found by number or name, and only the number is checked."""

import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from tests.component.gateway.routes.desk.clerks import at_desk, check
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows


async def test_a_student_number_finds_the_form_and_says_that_no_paper_was_checked(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    page = await check(browser, await at_desk(browser, clerk), f" {signed.student_id.lower()} ")
    assert 'class="sheet checked caution"' in page.text
    assert "编号有效" in page.text
    assert signed.form_number in page.text
    acts = await rows(
        gateway.database,
        "SELECT act FROM audit.entry WHERE actor = $1 AND student_id = $2 ORDER BY entry_id",
        clerk.sub,
        signed.student_id,
    )
    assert [row["act"] for row in acts] == ["staff.look-up", "form.check"]


async def test_a_name_lists_who_has_it_and_who_has_no_form(
    browser: BrowserClient, clearance: ReadModelWriter, clerk: Person
) -> None:
    form = await clearance.accept_signed(new_student_id(), name="澹台明月")
    other = new_student_id()
    await clearance.put_case(other, name="澹台明镜")
    token = await at_desk(browser, clerk)
    page = (await check(browser, token, "澹台")).text
    assert f'name="form" value="{form.form_number}"' in page
    assert other in page
    assert page.count("没有有效的离校流程单") == 1
    alone = (await check(browser, token, other)).text
    assert "没有有效的离校流程单" in alone
    assert 'name="taken_by"' not in alone


@pytest.mark.parametrize("name", ["Md. A. Rahman", "J.R.Okafor", "厍\u3000宁"])
async def test_a_name_is_a_name_with_initials_or_an_ideographic_space(
    browser: BrowserClient, clearance: ReadModelWriter, clerk: Person, name: str
) -> None:
    form = await clearance.accept_signed(new_student_id(), name=name)
    token = await at_desk(browser, clerk)
    assert form.form_number in (await check(browser, token, name)).text
    assert "没有找到这个学号或姓名" in (await check(browser, token, "Md. B. Nobody")).text


async def test_nobody_is_found_by_a_number_or_a_name_that_is_not_there(browser: BrowserClient, clerk: Person) -> None:
    token = await at_desk(browser, clerk)
    for text in (new_student_id(), "没有这个人"):
        assert "没有找到这个学号或姓名" in (await check(browser, token, text)).text


async def test_a_search_without_the_token_shows_nobody(
    browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    await at_desk(browser, clerk)
    answer = await check(browser, "another", signed.student_id)
    assert answer.status_code == 403
    assert signed.form_number not in answer.text
