"""The client module in a real browser, on a page of the shop's own origin and on the hosted pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Response, Route, async_playwright
from pytest_asyncio import fixture

from opengiro.usecases.grant_live_token import grant_page_token
from opengiro.web.live.limits import Limits
from tests.server import House, open_house
from tests.web.follower import live_desk, until
from tests.web.payer import Payer, link, sit_down

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC = "--disable-features=LocalNetworkAccessChecks"
"""The shop's page comes out of the test and has no address, so the browser would ask before it reaches loopback."""
AFTER_A_TOKEN = timedelta(minutes=16)
PAGE = """<!doctype html><title>Order</title><script type=module>
import { follow } from "%(base)s/live/live.js";
window.seen = [];
window.begin = (token) => { window.stop = follow("%(url)s", token, (news) => seen.push(news)); };
</script>"""


@fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One server for all that leave the clock alone: each follows a payment of its own."""
    async with open_house(tmp_path_factory.mktemp("server")) as opened:
        yield opened


@fixture(loop_scope="module", scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", PUBLIC])
        yield browser
        await browser.close()


@dataclass
class Shop:
    """The shop's order page, open in a browser, and the payment that it follows."""

    house: House
    page: Page
    payment_id: int

    async def token(self) -> str:
        """Return what the shop's backend would hand to its page."""
        payment = await self.house.core.payment(self.house.merchant_id, self.payment_id)
        return (await grant_page_token(self.house.core, payment)).token

    async def begins(self) -> None:
        """Follow with one token."""
        await self.page.evaluate("token => begin(token)", await self.token())

    async def pays(self) -> None:
        """Pay somewhere else, as on a phone."""
        validated = await self.house.validate(self.payment_id, fields={"use_case_pay": "redirect"})
        await self.house.http.get(validated["validate_uri"])

    async def waits_for(self, kind: str) -> None:
        """Wait until the page heard of something."""
        await self.page.wait_for_function("kind => seen.some((news) => news.type === kind)", arg=kind)

    async def heard(self) -> list[Any]:
        """Return the sequences that the page was told, in order, once it was told the end."""
        await self.waits_for("end")
        heard: list[Any] = await self.page.evaluate("seen.filter((n) => n.type === 'state').map((n) => n.sequence)")
        return heard

    async def saved(self) -> list[int]:
        """Return the ordinals of the payment's moves."""
        return [one.ordinal for one in await self.house.core.store.payments.moves(1, self.payment_id)]


async def _shop(browser: Browser, house: House, base: str | None = None, *, registered: bool = True) -> Shop:
    """Open an order page on an origin of its own."""
    payment_id, host = (await house.pay())["id"], "localhost:9" if registered else "stranger.localhost:9"
    if registered:
        path = f"{house.api}/clients/{house.credentials.client_id}"
        bearer = {"authorization": f"Bearer {house.credentials.config_token}"}
        await house.http.put(path, json={"config": {"widget_origins": f"http://{host}"}}, headers=bearer)
    base = base or house.base_url
    html = PAGE % {"base": base, "url": f"{base}/live/{payment_id}"}
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(15_000)

    async def serve(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    await page.route(f"http://{host}/order", serve)
    await page.goto(f"http://{host}/order")
    await page.wait_for_function("typeof begin === 'function'")
    return Shop(house, page, payment_id)


async def test_a_page_of_the_shop_hears_everything_once(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    await shop.begins()
    await shop.waits_for("step")
    await shop.pays()
    assert await shop.heard() == await shop.saved()
    assert await shop.page.evaluate("seen.at(-2).final")


async def test_a_page_of_a_stranger_hears_nothing(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house, registered=False)
    async with shop.page.expect_event("requestfailed", lambda request: "/poll" in request.url):
        await shop.begins()
    assert await shop.page.evaluate("seen") == []


async def test_a_page_behind_a_proxy_that_breaks_streams_polls(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    await shop.page.route("**/events?*", lambda route: route.fulfill(status=502))
    await shop.begins()
    await shop.waits_for("step")
    await shop.pays()
    assert await shop.heard() == await shop.saved()


async def test_a_page_that_was_offline_catches_up(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    await shop.begins()
    await shop.waits_for("step")
    await shop.page.context.set_offline(True)
    await shop.pays()
    await shop.page.context.set_offline(False)
    assert await shop.heard() == await shop.saved()


async def test_a_page_that_slept_catches_up_when_it_wakes(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    await shop.begins()
    await shop.waits_for("step")
    lever = await shop.page.context.new_cdp_session(shop.page)
    await lever.send("Page.setWebLifecycleState", {"state": "frozen"})
    await shop.pays()
    await lever.send("Page.setWebLifecycleState", {"state": "active"})
    await shop.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert await shop.heard() == await shop.saved()


async def test_waking_again_and_again_repeats_nothing(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    await shop.begins()
    await shop.waits_for("step")
    wake = "document.dispatchEvent(new Event('visibilitychange')); dispatchEvent(new Event('online'))"
    await shop.page.evaluate(f"setInterval(() => {{ {wake} }}, 40)")
    await shop.pays()
    assert await shop.heard() == await shop.saved()


async def test_a_stream_that_ends_is_gone_on_with(browser: Browser, house: House) -> None:
    async with live_desk(house.core, Limits(life_s=0.2)) as desk:
        shop = await _shop(browser, house, desk.base_url)
        await shop.begins()
        await shop.waits_for("step")
        async with shop.page.expect_response(lambda answer: "last_event_id=0" in answer.url):
            pass
        await shop.pays()
        assert await shop.heard() == await shop.saved()


async def test_a_page_whose_token_ended_while_it_slept_asks_its_shop_for_another(
    browser: Browser, tmp_path: Path
) -> None:
    async with open_house(tmp_path) as house:
        shop = await _shop(browser, house)
        await shop.page.expose_function("ask", shop.token)
        await shop.page.evaluate("begin(() => ask())")
        await shop.waits_for("step")
        await house.move(AFTER_A_TOKEN)
        await shop.pays()
        assert await shop.heard() == await shop.saved()


async def test_a_page_without_another_token_is_told_that_it_ended(browser: Browser, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        shop = await _shop(browser, house)
        await shop.begins()
        await shop.waits_for("step")
        await house.move(AFTER_A_TOKEN)
        await shop.waits_for("end")
        assert await shop.page.evaluate("seen.at(-1)") == {"type": "end", "reason": "token_ended"}


async def test_a_page_that_follows_for_long_renews_its_token(browser: Browser, house: House) -> None:
    shop = await _shop(browser, house)
    asked: list[str] = []
    shop.page.on("request", lambda request: asked.append(request.url))
    await shop.page.clock.install()
    await shop.begins()
    await shop.waits_for("step")
    async with shop.page.expect_response("**/token?*") as renewed:
        await shop.page.clock.fast_forward("06:00")
        await shop.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    fresh = (await (await renewed.value).json())["token"]
    await shop.pays()
    assert await shop.heard() == await shop.saved()
    assert any(fresh in url for url in asked)


async def test_a_page_that_stops_following_gives_its_seat_back(browser: Browser, house: House) -> None:
    async with live_desk(house.core, Limits()) as desk:
        shop = await _shop(browser, house, desk.base_url)
        await shop.begins()
        await shop.waits_for("step")
        assert desk.seats.total == 1
        await shop.page.evaluate("stop()")
        await until(lambda: desk.seats.total == 0)
        await shop.pays()
        assert not await shop.page.evaluate("seen.some((news) => news.type === 'end')")


async def test_a_hosted_page_that_waits_follows_its_payment(browser: Browser, house: House) -> None:
    payer: Payer = await sit_down(await browser.new_context(), house)
    payment = await house.pay()
    opened: list[Response] = []
    payer.page.on("response", lambda answer: opened.append(answer) if "/live/" in answer.url else None)
    await house.validate(payment["id"], fields={"use_case_pay": "redirect"})
    async with payer.page.expect_response(lambda answer: answer.url.split("?")[0].endswith("/events")):
        await payer.page.goto(await link(house, payment["id"]))
    assert {answer.status for answer in opened} == {200}
