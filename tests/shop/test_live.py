"""The shop beside the real server, widget and live status included: the page knows, whichever device paid."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo_shop import build
from demo_shop.book import Book, Order
from opengiro_kit.environment import from_tables
from playwright.async_api import Browser, Page, Route, async_playwright, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from opengiro.cli.banq import settle_banq
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.register_application import ApplicationChange, change_application
from tests.server import House
from tests.shop.loopback import serving


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        opened = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def world(house: House) -> dict[str, Any]:
    """What `dev.json` says of the house."""
    powens = {
        "base_url": house.api,
        "client_id": house.credentials.client_id,
        "client_secret": house.credentials.client_secret,
        "config_token": house.credentials.config_token,
    }
    return {"powens": powens, **await settle_banq(house.core, house.merchant_id, {})}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser at the shop, and the payer's other device."""

    page: Page
    shop_url: str
    book: Book
    house: House

    async def fills_the_cart(self) -> None:
        """Put something into the cart."""
        await self.page.goto(f"{self.shop_url}/")
        await self.page.get_by_role("button", name="Add to cart Losange").click()
        # A route put in place while a page still comes holds nothing of what that page asks for.
        await self.page.wait_for_url("**/cart")

    async def hears_live_status_only(self) -> None:
        """Take away the page's own asking now and then: what it learns, live status told it to ask for."""
        await self.page.route("**/standing", lambda route: route.abort())

    @property
    def order(self) -> Order:
        """The one order."""
        (order,) = self.book.orders()
        return order

    async def pays_elsewhere(self) -> None:
        """Pay on another device, at a bank that pays at once."""
        reference = self.order.last_try and self.order.last_try.payment_id
        found = await self.house.core.store.payments.find(self.house.merchant_id, str(reference))
        choice = ChooseBank(
            merchant_id=self.house.merchant_id,
            payment_id=found.payment_id if found else int(reference or 0),
            bank_id=self.house.test_bank,
            back_to=self.house.base_url,
        )
        await choose_bank(self.house.core, choice)


@pytest.fixture
async def visitor(house: House, world: dict[str, Any], browser: Browser, tmp_path: Path) -> AsyncIterator[Visitor]:
    def make(base_url: str) -> Starlette:
        return Starlette(routes=[Mount("/shop", build(tmp_path / "shop", f"{base_url}/shop", from_tables(world)))])

    with serving(make) as base_url:
        for client_id in (world["powens"]["client_id"], world["banq"]["client_id"]):
            # Live status lets pages of registered origins in.
            wanted = ApplicationChange(config={"widget_origins": base_url})
            await change_application(house.core, house.merchant_id, client_id, wanted, "test")
        context = await browser.new_context(locale="en")
        book = Book(tmp_path / "shop/shop.db", house.now)
        yield Visitor(await context.new_page(), f"{base_url}/shop", book, house)
        await context.close()


async def test_a_link_paid_on_a_phone_moves_the_cart_on_to_its_paid_order(visitor: Visitor) -> None:
    page = visitor.page
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await visitor.fills_the_cart()
    await visitor.hears_live_status_only()
    async with page.expect_response("**/live/*/events*"):
        await page.locator("opengiro-checkout").get_by_role("button").first.click()
    await visitor.pays_elsewhere()
    await page.wait_for_url(f"**/orders/{visitor.order.id}")
    await expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")
    assert [one for one in complaints if "Content Security Policy" in one] == []


async def test_an_order_begun_on_the_hosted_page_turns_paid_in_another_tab(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.fills_the_cart()
    await page.get_by_role("button", name="Pay €24.50 by bank").click()
    await page.wait_for_url(f"{visitor.house.base_url}/**")
    await visitor.hears_live_status_only()
    async with page.expect_response("**/live/*/events*"):
        await page.goto(f"{visitor.shop_url}/orders/{visitor.order.id}")
    await page.evaluate("window.neverLeft = true")
    await visitor.pays_elsewhere()
    await expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")
    assert await page.evaluate("window.neverLeft")


async def test_the_cart_moves_on_once_the_shop_itself_has_looked(visitor: Visitor) -> None:
    """Sooner it would lead to an order that is still on its way, and be loaded again."""
    page = visitor.page
    looked = asyncio.Event()
    left_for: list[str] = []
    page.on("request", lambda one: left_for.append(one.url) if one.is_navigation_request() else None)

    async def held(route: Route) -> None:
        await looked.wait()
        await route.continue_()

    await visitor.fills_the_cart()
    await visitor.hears_live_status_only()
    await page.route("**/standing?look", held)
    async with page.expect_response("**/widget/enter"):
        await page.locator("opengiro-checkout").get_by_role("button").first.click()
    await visitor.pays_elsewhere()
    await page.frame_locator("opengiro-checkout iframe").get_by_role("heading", name="Paid").wait_for()
    assert page.url.endswith("/cart")
    async with page.expect_response(f"**/orders/{visitor.order.id}") as arrived:
        looked.set()
    assert 'data-standing="paid"' in await (await arrived.value).text()
    await page.wait_for_url(f"**/orders/{visitor.order.id}")
    assert [one for one in left_for if "/orders/" in one] == [page.url]


async def test_the_cart_stays_while_the_shop_cannot_look(visitor: Visitor) -> None:
    """What the widget tells is a hint, and the network that failed a look might not bring a page either."""
    page = visitor.page
    await visitor.fills_the_cart()
    await visitor.hears_live_status_only()
    await page.route("**/standing?look", lambda route: route.abort())
    async with page.expect_response("**/widget/enter"):
        await page.locator("opengiro-checkout").get_by_role("button").first.click()
    await visitor.pays_elsewhere()
    await page.frame_locator("opengiro-checkout iframe").get_by_role("heading", name="Paid").wait_for()
    async with page.expect_event("requestfailed", lambda one: one.url.endswith("/standing")):
        pass
    assert page.url.endswith("/cart")
    await page.unroute("**/standing")
    await page.request.get(f"{visitor.shop_url}/orders/{visitor.order.id}/standing?look")
    await page.wait_for_url(f"**/orders/{visitor.order.id}")
    await expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")


async def test_an_order_paid_in_its_own_widget_is_redrawn_in_place(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.fills_the_cart()
    async with page.expect_response("**/widget/enter"):
        await page.locator("opengiro-checkout").get_by_role("button").first.click()
    await page.goto(f"{visitor.shop_url}/orders/{visitor.order.id}")
    await page.evaluate("window.neverLeft = true")
    async with page.expect_response("**/widget/enter"):
        await page.locator("opengiro-checkout").get_by_role("button").first.click()
    await visitor.pays_elsewhere()
    await expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")
    await expect(page.locator("opengiro-checkout")).to_have_count(0)
    assert await page.evaluate("window.neverLeft")
