"""A payer's journeys in a real browser, against the real server and its sandbox banks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, ViewportSize, async_playwright, expect
from pytest_asyncio import fixture

from tests.server import House, open_house
from tests.web.payer import Payer, link, sit_down

REDIRECT, DECOUPLED, QUIET, NEEDS_IBAN, DOWN = (
    "Horizon Bleu",
    "Crédit Mercure",
    "Banque de la Brume",
    "Nordlicht Bank",
    "Orage Banque",
)
TEST = "Connecteur de test"
PHONE = ViewportSize(width=390, height=844)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One server for all journeys that leave the clock alone: each has a payment of its own."""
    async with open_house(tmp_path_factory.mktemp("server")) as opened:
        yield opened


@fixture(loop_scope="module")
async def timed(browser: Browser, tmp_path: Path) -> AsyncIterator[Payer]:
    """A payer at a server whose clock may be moved."""
    async with open_house(tmp_path) as opened:
        yield await sit_down(await browser.new_context(viewport=PHONE), opened)


@fixture(loop_scope="module", scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@fixture(loop_scope="module")
async def payer(browser: Browser, house: House) -> AsyncIterator[Payer]:
    context = await browser.new_context(viewport=PHONE)
    yield await sit_down(context, house)
    await context.close()


async def _state(house: House, payment_id: int) -> str:
    answer = await house.call("GET", f"/payments/{payment_id}")
    return str(answer.json()["state"])


async def _attempts(house: House, payment_id: int) -> int:
    attempt = await house.core.store.attempts.last(house.merchant_id, payment_id)
    return attempt.ordinal if attempt else 0


async def test_a_payer_pays_at_a_bank_that_redirects_and_is_back_in_the_shop(payer: Payer) -> None:
    payment = await payer.house.pay()
    await payer.opens(payment)
    assert "code=" not in payer.page.url
    await payer.chooses(REDIRECT)
    async with payer.arriving() as callback:
        await payer.approves()
    assert await callback == {"id_payment": str(payment["id"]), "state": "s-1", "payment_state": "done"}


async def test_the_whole_way_works_without_scripts(browser: Browser, house: House) -> None:
    """U20."""
    payer = await sit_down(await browser.new_context(java_script_enabled=False, locale="fr-FR"), house)
    payment = await house.pay()
    await payer.opens(payment)
    await expect(payer.heading).to_have_text("Choisissez votre banque")
    await payer.page.locator("#q").fill("horizno")
    await payer.page.get_by_role("button", name="Chercher").click()
    await payer.chooses(REDIRECT)
    async with payer.arriving() as callback:
        await payer.approves()
    assert (await callback)["payment_state"] == "done"


async def test_the_whole_way_works_with_the_keyboard_alone(payer: Payer) -> None:
    """U20."""
    page = payer.page
    await payer.opens(await payer.house.pay())
    await page.keyboard.press("Tab")
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type("credit")
    await expect(page.get_by_role("option")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", selected=True)).to_contain_text(DECOUPLED)
    await page.keyboard.press("Enter")
    await expect(payer.heading).to_have_text("Check and continue")
    await expect(payer.heading).to_be_focused()
    while await page.evaluate("document.activeElement.className") != "main":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(payer.heading).to_have_text("Approve in your Crédit Mercure app")


@pytest.mark.parametrize(
    ("typed", "bank"),
    [
        ("CREDIT", DECOUPLED),
        ("merkure", DECOUPLED),
        ("HORBFRPP", REDIRECT),
        ("FR76 4097 3", REDIRECT),
        ("brume", QUIET),
    ],
)
async def test_a_bank_is_found_without_accents_by_bic_by_iban_and_in_spite_of_errors(
    payer: Payer, typed: str, bank: str
) -> None:
    """U3."""
    await payer.opens(await payer.house.pay())
    await payer.page.locator("#q").press_sequentially(typed)
    await expect(payer.page.get_by_role("option")).to_have_count(1)
    await expect(payer.page.get_by_role("option")).to_contain_text(bank)
    await expect(payer.page.locator("#live")).to_have_text("Banks found: 1")


async def test_a_search_without_result_is_no_dead_end(payer: Payer) -> None:
    """U4."""
    await payer.opens(await payer.house.pay())
    await payer.page.locator("#q").press_sequentially("zzzzz")
    await expect(payer.page.locator("#nothing")).to_be_visible()
    await expect(payer.page.locator("#nothing")).to_contain_text("pay another way")
    await payer.page.locator("#q").press("Escape")
    await expect(payer.page.locator("a.bank").first).to_be_visible()


async def test_the_country_is_switched_by_one_tap(payer: Payer) -> None:
    """U1."""
    await payer.opens(await payer.house.pay())
    await payer.page.get_by_role("link", name="Germany").click()
    await expect(payer.page.locator("a.bank .bank-name")).to_have_text([NEEDS_IBAN])


async def test_the_language_can_be_switched_and_stays(payer: Payer) -> None:
    """U19."""
    await payer.opens(await payer.house.pay())
    await payer.page.get_by_role("link", name="Français").click()
    await expect(payer.heading).to_have_text("Choisissez votre banque")
    await payer.page.locator("a.bank", has_text=REDIRECT).click()
    await expect(payer.heading).to_have_text("Vérifiez et continuez")


async def test_a_bank_that_is_down_cannot_be_chosen_even_by_its_address(payer: Payer) -> None:
    """U5."""
    await payer.opens(await payer.house.pay())
    down = next(bank for bank in payer.house.core.store.banks.all() if bank.name == DOWN)
    await expect(payer.page.locator(".is-down")).to_contain_text("Not available right now")
    await payer.page.goto(f"{payer.page.url}/banks/{down.bank_id}")
    await expect(payer.page.get_by_role("alert")).to_contain_text(f"{DOWN} could not take the payment.")


async def test_an_iban_is_asked_for_only_where_the_bank_needs_it_and_mistakes_are_named(payer: Payer) -> None:
    page = payer.page
    await payer.opens(await payer.house.pay())
    await page.get_by_role("link", name="Germany").click()
    await payer.chooses(NEEDS_IBAN)
    await expect(page.locator("#complaints")).to_be_focused()
    await expect(page.locator("#iban-complaint")).to_have_text("Enter the IBAN of the account you pay from.")
    await page.locator("#iban").fill("DE77 2009 9500 0142 9618 72")
    await page.locator("button.main").click()
    await expect(page.locator("#iban")).to_have_value("DE77 2009 9500 0142 9618 72")
    await expect(page.locator("#iban")).to_have_attribute("aria-invalid", "true")
    await page.locator("#iban").fill("de77 2009 9500 0142 9618 71")
    await page.locator("button.main").click()
    await page.wait_for_url("**/sandbox/**")


async def test_pressing_twice_is_one_payment(payer: Payer) -> None:
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.page.locator("a.bank", has_text=REDIRECT).click()
    await payer.page.locator("button.main").dblclick()
    await payer.page.wait_for_url("**/sandbox/**")
    assert await _attempts(payer.house, payment["id"]) == 1


async def test_two_tabs_are_one_payment_and_the_first_moves_on_by_itself(payer: Payer) -> None:
    """U13."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(REDIRECT)
    await payer.page.wait_for_url("**/sandbox/**")
    handle = (await payer.page.context.cookies())[0]["name"].removeprefix("opengiro_")
    first = await sit_down(payer.page.context, payer.house)
    await first.page.goto(f"{payer.house.base_url}/checkout/{handle}")
    await expect(first.heading).to_have_text(f"Continue at {REDIRECT}")
    async with first.arriving() as callback:
        await payer.approves()
    assert (await callback)["payment_state"] == "done"
    assert await _attempts(payer.house, payment["id"]) == 1


async def test_the_back_button_at_the_bank_leads_to_a_page_that_knows(payer: Payer) -> None:
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(REDIRECT)
    await payer.page.wait_for_url("**/sandbox/**")
    await payer.page.go_back()
    await expect(payer.heading).to_have_text(f"Continue at {REDIRECT}")
    await payer.page.reload()
    await payer.page.get_by_role("link", name=f"Continue at {REDIRECT}").click()
    async with payer.arriving() as callback:
        await payer.approves()
    assert (await callback)["payment_state"] == "done"
    assert await _attempts(payer.house, payment["id"]) == 1


async def test_another_bank_can_be_chosen_once_the_first_has_let_go(payer: Payer) -> None:
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(REDIRECT)
    await payer.page.wait_for_url("**/sandbox/**")
    await payer.page.go_back()
    await payer.page.get_by_text("It does not work at this bank").click()
    await payer.page.get_by_role("link", name="Choose another bank").click()
    await payer.chooses(DECOUPLED)
    await expect(payer.heading).to_have_text(f"Approve in your {DECOUPLED} app")
    assert await _attempts(payer.house, payment["id"]) == 2


async def test_another_bank_is_not_asked_while_the_first_may_still_pay(payer: Payer) -> None:
    """U12: this bank cannot be told to forget a payment."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(QUIET)
    await payer.page.wait_for_url("**/sandbox/**")
    await payer.page.go_back()
    await payer.page.get_by_text("It does not work at this bank").click()
    await payer.page.get_by_role("link", name="Choose another bank").click()
    await payer.chooses(REDIRECT)
    await expect(payer.page.get_by_role("alert")).to_contain_text("you will not pay twice")
    await expect(payer.heading).to_have_text(f"Continue at {QUIET}")
    assert await _attempts(payer.house, payment["id"]) == 1


async def test_a_payer_who_refuses_at_the_bank_learns_that_no_money_moved(payer: Payer) -> None:
    """U12."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(REDIRECT)
    await payer.approves(decision="refuse")
    await expect(payer.heading).to_have_text("The payment was not made")
    await expect(payer.page.locator(".money")).to_have_text("No money has left your account.")
    async with payer.arriving() as callback:
        await payer.page.get_by_role("link", name="Return to Shop").click()
    arrived = await callback
    assert arrived["payment_state"] == "rejected"
    assert arrived["error_code"]


async def test_cancelling_before_a_bank_knows_returns_with_cancelled(payer: Payer) -> None:
    """U15, PU25."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.page.get_by_role("button", name="Cancel payment").click()
    await expect(payer.heading).to_have_text("You cancelled the payment")
    async with payer.arriving() as callback:
        await payer.page.get_by_role("link", name="Return to Shop").click()
    assert (await callback)["error"] == "cancelled"
    assert await _state(payer.house, payment["id"]) == "rejected"


async def test_leaving_for_later_changes_nothing_and_the_link_opens_again(payer: Payer) -> None:
    """U15, PU25, PU34."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    async with payer.arriving() as callback:
        await payer.page.get_by_role("link", name="I’ll do it later").click()
    assert await callback == {"id_payment": str(payment["id"]), "state": "s-1"}
    assert await _state(payer.house, payment["id"]) == "created"
    await payer.opens(payment)
    await expect(payer.heading).to_have_text("Choose your bank")


async def test_cancelling_is_not_offered_where_the_bank_cannot_stop_a_payment(payer: Payer) -> None:
    """U15, PU25."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(QUIET)
    await payer.page.wait_for_url("**/sandbox/**")
    await payer.page.go_back()
    await expect(payer.heading).to_have_text(f"Continue at {QUIET}")
    await expect(payer.page.get_by_role("button", name="Cancel payment")).to_have_count(0)
    assert await _state(payer.house, payment["id"]) == "validating"


async def test_whoever_returns_in_another_browser_gets_the_receipt_and_the_first_moves_on(
    payer: Payer, browser: Browser
) -> None:
    """U13."""
    payment = await payer.house.pay()
    await payer.opens(payment)
    await payer.chooses(REDIRECT)
    await payer.page.wait_for_url("**/sandbox/**")
    at_bank = payer.page.url
    await payer.page.go_back()
    await expect(payer.heading).to_have_text(f"Continue at {REDIRECT}")
    phone = await sit_down(await browser.new_context(viewport=PHONE), payer.house)
    async with payer.arriving() as callback:
        await phone.page.goto(at_bank)
        await phone.approves()
        await expect(phone.heading).to_have_text("Paid")
    assert (await callback)["payment_state"] == "done"
    await expect(phone.page.get_by_text("€50.90").first).to_be_visible()
    await expect(phone.page.locator("form")).to_have_count(0)
    await phone.page.reload()
    await expect(phone.heading).to_have_text("Paid")


async def test_a_link_used_in_another_browser_shows_nothing_of_the_payment(payer: Payer, browser: Browser) -> None:
    await payer.opens(await payer.house.pay())
    stranger = await sit_down(await browser.new_context(), payer.house)
    answer = await stranger.page.goto(payer.page.url)
    assert answer is not None
    assert answer.status == 400
    await expect(stranger.heading).to_have_text("This payment was started in another browser")
    assert "50.90" not in await stranger.page.content()


async def test_a_decoupled_wait_moves_on_when_the_phone_has_approved(timed: Payer) -> None:
    """U10."""
    await timed.opens(await timed.house.pay())
    await timed.plays("decoupled")
    await expect(timed.heading).to_have_text(f"Approve in your {TEST} app")
    await expect(timed.page.get_by_text("Open your bank's app on your phone")).to_be_visible()
    async with timed.arriving() as callback:
        await timed.house.move(timedelta(seconds=11))
    assert (await callback)["payment_state"] == "done"


async def test_a_decoupled_wait_can_be_checked_without_scripts(timed: Payer, browser: Browser) -> None:
    """U10, U20."""
    house = timed.house
    payer = await sit_down(await browser.new_context(java_script_enabled=False), house)
    await payer.opens(await house.pay())
    await payer.plays("decoupled")
    await expect(payer.heading).to_have_text(f"Approve in your {TEST} app")
    await house.move(timedelta(seconds=11))
    async with payer.arriving() as callback:
        await payer.page.get_by_role("button", name="I have approved it: check now").click()
    assert (await callback)["payment_state"] == "done"


async def test_a_wait_nobody_ends_stops_at_the_bank_and_another_bank_can_be_chosen(timed: Payer) -> None:
    """U10, U12: never an endless wait."""
    payment = await timed.house.pay()
    await timed.opens(payment)
    await timed.plays("otp_sms")
    await expect(timed.heading).to_have_text(f"{TEST} has a question")
    await timed.house.move(timedelta(minutes=25))
    await timed.until_over(payment)
    await timed.page.reload()
    await expect(timed.page.get_by_role("alert")).to_contain_text("No money has moved.")
    await expect(timed.heading).to_have_text("Choose your bank")
    await timed.chooses(REDIRECT)
    await timed.page.wait_for_url("**/sandbox/**")


async def test_the_bank_is_not_told_where_the_payer_came_from(payer: Payer) -> None:
    """T05."""
    referers: list[str] = []
    payer.page.on("request", lambda request: referers.append(request.headers.get("referer", "")))
    await payer.opens(await payer.house.pay())
    await payer.chooses(REDIRECT)
    await payer.page.wait_for_url("**/sandbox/**")
    assert [one for one in referers if "checkout" in one or "code=" in one] == []


async def test_a_bank_may_ask_for_a_code_and_mistakes_are_named(payer: Payer) -> None:
    await payer.opens(await payer.house.pay())
    await payer.plays("otp_sms")
    await expect(payer.heading).to_have_text(f"{TEST} has a question")
    await payer.page.locator("button.main").click()
    await expect(payer.page.locator("#complaints")).to_contain_text("Fill in this field.")
    await payer.page.locator("#field-openapisms").fill("1234")
    async with payer.arriving() as callback:
        await payer.page.locator("button.main").click()
    assert (await callback)["payment_state"] == "done"


async def test_a_bank_may_ask_for_a_choice(payer: Payer) -> None:
    await payer.opens(await payer.house.pay())
    await payer.plays("account_choice")
    await payer.page.get_by_label("Second account").check()
    await payer.page.locator("button.main").click()
    await expect(payer.heading).to_have_text("The payment was not made")
    await expect(payer.page.get_by_text("does not allow payments from this account")).to_be_visible()


async def test_a_session_ends_after_a_day_with_a_calm_page(timed: Payer) -> None:
    await timed.opens(await timed.house.pay())
    await timed.house.move(timedelta(days=2))
    await timed.page.reload()
    await expect(timed.heading).to_have_text("This payment link is no longer valid")


async def test_an_expired_payment_is_not_called_failed(timed: Payer) -> None:
    """U14."""
    payment = await timed.house.pay()
    await timed.house.move(timedelta(days=40))
    await timed.house.settle(payment["id"], "expired")
    await timed.page.goto(await link(timed.house, payment["id"]))
    await expect(timed.heading).to_have_text("This payment page has expired")
    await expect(timed.page.get_by_role("link", name="Return to Shop")).to_be_visible()
