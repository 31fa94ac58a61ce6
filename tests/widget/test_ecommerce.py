"""`ecommerce.js` on the guide's own page, with nothing changed but the host and the shop's address."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.banq import Banq
from tests.widget.stage import SHOP, Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def guide(shared: Path, base: str) -> str:
    """The page that the guide tells a shop to make: its two blocks of HTML in a row."""
    text = (shared / "seeds/banq-checkout-widget.md").read_text()
    markup = re.search(r"^<script src=.*?</script>\n<div .*?</div>", text, re.MULTILINE | re.DOTALL)
    program = re.search(r"^<script>\n.*?</script>", text, re.MULTILINE | re.DOTALL)
    assert markup is not None
    assert program is not None
    page = f"<!doctype html><html lang=en><title>Shop</title><main><h1>Order</h1>{markup[0]}\n{program[0]}</main>"
    return page.replace("https://sandbox.banq.com", base).replace("https://<PATH-TO-YOUR-WEBSITE>", SHOP)


async def at_shop(browser: Browser, banq: Banq, shared: Path) -> tuple[Stage, list[str]]:
    stage = await open_stage(browser, banq)
    said: list[str] = []
    stage.page.on("console", lambda message: said.append(message.text))
    await stage.serve(guide(shared, stage.base))
    return stage, said


async def test_the_guides_page_works_as_it_stands(browser: Browser, banq: Banq, shared: Path) -> None:
    stage, said = await at_shop(browser, banq, shared)
    await stage.page.locator("#pay-with-banq").get_by_role("button").click()
    await stage.frame.locator(".qr svg").wait_for()
    assert stage.created["externalOrderCode"] == "009221"
    await stage.pays()
    await stage.frame.get_by_role("heading", name="Paid").wait_for()
    await stage.frame.get_by_role("button", name="Close").last.click()
    await stage.page.locator("dialog").wait_for(state="hidden")
    assert said == ["this triggers after payment completed successfully", "pop up is closed"]
    assert await stage.flaws() == []


async def test_the_popup_opens_before_the_shop_has_answered(browser: Browser, banq: Banq, shared: Path) -> None:
    stage, said = await at_shop(browser, banq, shared)
    stage.waits = asyncio.Event()
    await stage.page.locator("#pay-with-banq").get_by_role("button").click()
    await stage.page.get_by_text("Preparing your payment…").wait_for()
    stage.waits.set()
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()
    assert said == []


async def test_an_answer_without_a_link_can_be_asked_for_again(browser: Browser, banq: Banq, shared: Path) -> None:
    stage, _ = await at_shop(browser, banq, shared)
    stage.answers = [500]
    await stage.page.locator("#pay-with-banq").get_by_role("button").click()
    await stage.page.get_by_role("button", name="Try again").click()
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()


async def test_destroying_closes_by_force_and_starting_again_works(browser: Browser, banq: Banq, shared: Path) -> None:
    stage, said = await at_shop(browser, banq, shared)
    button = stage.page.locator("#pay-with-banq").get_by_role("button")
    await button.click()
    await stage.frame.locator(".qr svg").wait_for()
    await stage.page.evaluate("app.destroyWidget()")
    await stage.page.locator("dialog, opengiro-checkout").first.wait_for(state="detached")
    assert said == ["pop up is closed"]
    await stage.page.evaluate("app.destroyWidget(); app.bootstrapApp(); app.bootstrapApp()")
    await button.click()
    await stage.frame.locator(".qr svg").wait_for()


async def test_destroying_at_once_puts_up_nothing(browser: Browser, banq: Banq, shared: Path) -> None:
    stage = await open_stage(browser, banq)
    await stage.serve(
        guide(shared, stage.base).replace("app.bootstrapApp();", "app.bootstrapApp(); app.destroyWidget();")
    )
    await stage.page.wait_for_function("customElements.get('opengiro-checkout') !== undefined")
    assert await stage.page.locator("#pay-with-banq > *").count() == 0
