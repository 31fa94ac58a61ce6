"""Handing a checkout over: what the QR code holds, who may use it how often, and what the first screen sees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.async_api import Browser, Page

from opengiro.domain.claims import claim_code, typed_code
from opengiro.usecases.hand_over import CLAIM_LIFE, offer_claim
from opengiro.web.checkout.handoff import draw
from tests import engines
from tests.banq import Banq
from tests.server import House
from tests.web.payer import link
from tests.widget.stage import open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def scanned(house: House, payment: dict[str, Any]) -> str:
    """The address in a fresh QR code of a payment."""
    loaded = await house.core.payment(house.merchant_id, payment["id"])
    offer = await offer_claim(house.core, loaded)
    return f"{payment['url']}?h={offer.secret}"


async def taken(house: House, payment: dict[str, Any]) -> bool:
    return await house.core.store.claims.taken(house.merchant_id, payment["id"])


async def types(house: House, code: str) -> httpx2.Response:
    return await house.http.post(f"{house.base_url}/code", content=f"code={code}", headers=FORM)


async def sees(page: Page, address: str) -> None:
    """Open an address as a phone that scanned it."""
    await page.goto(address)
    await page.get_by_role("heading", name="Choose your bank").wait_for()


async def test_a_payment_by_qr_shows_on_the_screen_that_offered_it(browser: Browser, banq: Banq) -> None:
    desk = await open_stage(browser, banq)
    frame = await desk.embeds()
    await frame.locator(".qr svg").wait_for()
    phone = await open_stage(browser, banq, 390, 844)
    await sees(phone.page, await scanned(banq.house, desk.created))
    assert urlsplit(phone.page.url).query == ""
    await frame.get_by_role("heading", name="Connected to your phone").wait_for()
    assert await desk.flaws() == []
    await phone.page.locator("a.bank", has_text="Horizon Bleu").first.click()
    await phone.page.locator("button.main").click()
    await frame.get_by_role("heading", name="Approve at your bank").wait_for()
    await phone.page.wait_for_url("**/sandbox/**")
    await phone.page.locator("#login button.main").click()
    await phone.page.locator("input[name=account]").first.check()
    await phone.page.locator("main button.main").click()
    await phone.page.locator("button[name=decision][value=approve]").click()
    await frame.get_by_role("heading", name="Paid").wait_for()
    assert (await desk.hears("paymentSuccess"))["payload"]["status"] == "completed"
    await phone.page.get_by_text("You can close this page").wait_for()


async def test_two_tabs_tell_the_same(browser: Browser, banq: Banq) -> None:
    one, two = await open_stage(browser, banq), await open_stage(browser, banq)
    first = await one.embeds()
    await two.page.goto(f"{one.base}/widget/?paymentLink={one.created['url']}")
    await first.locator(".qr svg").wait_for()
    await two.page.locator(".qr svg").wait_for()
    await one.pays()
    await first.get_by_role("heading", name="Paid").wait_for()
    await two.page.get_by_role("heading", name="Paid").wait_for()


async def test_a_screen_that_slept_catches_up(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    await stage.context.set_offline(True)
    await stage.pays()
    await frame.get_by_role("heading", name="Choose your bank").wait_for()
    await stage.context.set_offline(False)
    await frame.get_by_role("heading", name="Paid").wait_for()


async def test_the_hosted_page_hands_over_and_follows(browser: Browser, house: House, banq: Banq) -> None:
    payment = await house.pay()
    desk = await open_stage(browser, banq)
    async with desk.page.expect_response("**/handoff") as asked:
        await desk.page.goto(await link(house, payment["id"]))
    offer = await (await asked.value).json()
    await desk.page.locator(".qr svg").wait_for()
    assert await desk.flaws() == []
    phone = await open_stage(browser, banq, 390, 844)
    await sees(phone.page, offer["share"])
    await desk.page.get_by_text("Connected to your phone").last.wait_for()
    await phone.page.locator("a.bank", has_text="Horizon Bleu").first.click()
    await phone.page.locator("button.main").click()
    await desk.page.get_by_role("heading", name="Continue at Horizon Bleu").wait_for()


async def test_a_typed_code_opens_the_checkout_on_a_phone(browser: Browser, banq: Banq) -> None:
    desk = await open_stage(browser, banq)
    frame = await desk.embeds()
    await frame.get_by_text("Without a camera").click()
    code = await frame.locator("[data-code]").inner_text()
    phone = await open_stage(browser, banq, 390, 844)
    await phone.page.goto("http://" + await frame.locator("[data-typed-at]").inner_text())
    assert await phone.flaws() == []
    await phone.page.get_by_label("Code").fill("wrong")
    await phone.page.keyboard.press("Enter")
    await phone.page.get_by_text("This code opens nothing").wait_for()
    assert await phone.flaws() == []
    await phone.page.get_by_label("Code").fill(f" {code.lower()} ")
    await phone.page.keyboard.press("Enter")
    await phone.page.get_by_role("heading", name="Choose your bank").wait_for()
    await frame.get_by_role("heading", name="Connected to your phone").wait_for()


async def test_a_code_is_taken_once_and_the_plain_link_stays(house: House, banq: Banq) -> None:
    payment = await banq.get_paid()
    address = await scanned(house, payment)
    looked = await house.http.head(address)
    assert (looked.status_code, await taken(house, payment)) == (200, False)
    first = await house.http.get(address)
    assert (first.status_code, await taken(house, payment)) == (303, True)
    second = await house.http.get(address)
    assert second.status_code == 303  # its link is as good as ever
    assert (await house.http.get(payment["url"])).status_code == 303
    secret = address.rpartition("=")[2]
    assert (await house.http.get(f"{house.base_url}/h/{secret}")).status_code == 400


async def test_an_old_code_claims_nothing(house: House, banq: Banq) -> None:
    payment = await banq.get_paid()
    loaded = await house.core.payment(house.merchant_id, payment["id"])
    offer = await offer_claim(house.core, loaded)
    await house.move(CLAIM_LIFE + timedelta(seconds=1))
    banq.forget_tokens()
    assert (await types(house, offer.code)).status_code == 422
    assert (await house.http.get(f"{payment['url']}?h={offer.secret}")).status_code == 303
    assert not await taken(house, payment)


async def test_lapsed_offers_are_forgotten_and_running_ones_kept(house: House, banq: Banq) -> None:
    payment = await banq.get_paid()
    loaded = await house.core.payment(house.merchant_id, payment["id"])
    old = await offer_claim(house.core, loaded)
    await house.move(CLAIM_LIFE / 2)
    running = await offer_claim(house.core, loaded)
    await house.move(CLAIM_LIFE / 2)
    banq.forget_tokens()
    await offer_claim(house.core, loaded)
    assert await house.core.store.claims.find(old.secret) is None
    assert await house.core.store.claims.find(old.code) is None
    assert await house.core.store.claims.find(running.code) is not None


async def test_guessing_codes_is_slow(house: House) -> None:
    answers = [await types(house, "AAAA-AAAA") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {422, 429}
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_payment_under_way_past_recall_is_not_offered(house: House, banq: Banq) -> None:
    payment = await banq.get_paid()
    await banq.pay(payment)
    await banq.settled(payment, "completed")
    code = payment["url"].rpartition("/")[2]
    assert (await house.http.post(f"{house.base_url}/widget/handoff", content=code)).status_code == 409
    assert (await house.http.post(f"{house.base_url}/widget/handoff", content="AAAAAAAAAAA")).status_code == 404


async def test_nothing_but_hashes_of_codes_is_kept(house: House, banq: Banq) -> None:
    payment = await banq.get_paid()
    offer = await offer_claim(house.core, await house.core.payment(house.merchant_id, payment["id"]))
    kept = engines.stolen(house.data)
    assert offer.secret.encode() not in kept
    assert offer.code.encode() not in kept


@pytest.mark.parametrize("typed", ["abcd1234", "ABCD-1234", " ab cd 12 34 ", "ABCDI234", "abcdL234"])
async def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert typed_code(typed) == "ABCD1234"


@pytest.mark.parametrize("typed", ["", "ABCD123", "ABCD12345", "ABCD123U", "ABCD123é"])
async def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert typed_code(typed) is None
    assert typed_code(claim_code(bytes(range(8))))


async def test_a_qr_code_is_drawn_with_its_three_corners() -> None:
    size, path = draw("https://pay.example/qxU6gO79Ajb?h=AAAAAAAAAAAAAAAAAAAAAA")
    assert path.startswith("M0 0h7v1H0z")
    assert f"M{size - 7} 0h7v1H{size - 7}z" in path
    assert f"M0 {size - 1}h7v1H0z" in path


async def test_a_merchant_may_keep_the_page_ignorant_of_other_devices(house: House, banq: Banq) -> None:
    """BD35: the published widget was silent after a payment by QR code."""
    payment = await banq.get_paid()
    await house.http.get(await scanned(house, payment))
    await banq.pay(payment)
    await banq.settled(payment, "completed")
    bearer = {"authorization": f"Bearer {house.credentials.config_token}"}
    code = payment["url"].rpartition("/")[2]
    for setting, told in (("0", False), ("1", True)):
        body = {"widget.success_on_other_device": setting}
        await house.http.post(f"{house.api}/config", json=body, headers=bearer)
        news = (await house.http.post(f"{house.base_url}/widget/look", content=code)).json()
        assert (news["state"], news["receipt"] is not None) == ("done", told)


async def test_the_frame_needs_no_cookie(browser: Browser, banq: Banq) -> None:
    """Browsers that block third-party cookies lose nothing."""
    stage = await open_stage(browser, banq)
    sent: list[str] = []
    stage.page.on("request", lambda request: sent.extend(request.headers.keys() & {"cookie"}))
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    await stage.pays()
    await frame.get_by_role("heading", name="Paid").wait_for()
    assert sent == []
    assert await stage.context.cookies() == []
