"""`<opengiro-checkout>` on a page of the shop: opening, failing, focus, languages, and what it tells."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.banq import Banq
from tests.widget.stage import Stage, elements, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE = '<opengiro-checkout id="one" src="/pay" order="order-1"></opengiro-checkout>'
TWO = '<opengiro-checkout id="two" src="/pay" order="order-2" language="fr"></opengiro-checkout>'
FOCUSED = "document.activeElement.shadowRoot?.activeElement?.tagName ?? document.activeElement.tagName"
STRICT = (
    "default-src 'none'; script-src {base} http://shop.test; frame-src {base}; connect-src 'self'; form-action 'none'"
)


async def at_shop(browser: Browser, banq: Banq, *tags: str, width: int = 1280, attributes: str = "") -> Stage:
    stage = await open_stage(browser, banq, width)
    await stage.serve(elements(stage.base, *tags or (ONE,), attributes=attributes))
    await stage.page.wait_for_function("customElements.get('opengiro-checkout') !== undefined")
    return stage


async def test_it_opens_in_the_click_before_there_is_a_link(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    stage.waits = asyncio.Event()
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.page.get_by_text("Preparing your payment…").wait_for()
    assert await stage.page.locator("opengiro-checkout iframe").count() == 0
    assert await stage.flaws() == []
    stage.waits.set()
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()


async def test_a_link_that_cannot_be_had_can_be_asked_for_again(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    stage.answers = [503]
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.page.get_by_text("No money has moved").wait_for()
    assert await stage.flaws() == []
    await stage.hears("error")
    await stage.page.keyboard.press("Enter")  # the focus waits on it
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()


async def test_a_link_that_comes_after_closing_opens_nothing(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    stage.waits = asyncio.Event()
    await stage.page.get_by_role("button", name="Pay by bank").click()
    async with stage.page.expect_response("**/pay"):
        await stage.page.keyboard.press("Escape")
        await stage.hears("close")
        stage.waits.set()
    assert await stage.page.locator("opengiro-checkout iframe").count() == 0
    assert not await stage.page.evaluate("one.open")


async def test_a_keyboard_opens_pays_elsewhere_and_comes_back(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    await stage.page.keyboard.press("Tab")
    await stage.page.keyboard.press("Enter")
    await stage.frame.locator(".qr svg").wait_for()
    assert await stage.page.evaluate(FOCUSED) == "IFRAME"
    await stage.page.keyboard.press("Tab")
    assert await stage.frame.locator(":focus").get_attribute("aria-label") == "Close"
    await stage.page.keyboard.press("Tab")
    async with stage.context.expect_page() as opening:
        await stage.page.keyboard.press("Enter")
    bank = await opening.value
    await bank.wait_for_url("**/checkout/*/banks/*")
    assert await bank.evaluate("window.opener") is None
    await bank.close()
    await stage.frame.get_by_role("heading", name="Continue in the window that opened").wait_for()
    await stage.page.keyboard.press("Escape")
    await stage.hears("close")
    assert await stage.page.evaluate(FOCUSED) == "BUTTON"


async def test_the_page_hears_each_state_and_one_success(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.frame.locator(".qr svg").wait_for()
    await stage.pays()
    assert (await stage.hears("success"))["detail"]["externalOrderCode"] == "order-1"
    await stage.frame.get_by_role("button", name="Close").last.click()
    await stage.hears("close")
    heard = await stage.page.evaluate("heard.map(({ name, detail }) => detail?.state ?? name)")
    assert heard[:2] == ["open", "created"]
    assert heard[-3:] == ["done", "success", "close"]


async def test_a_forged_success_reaches_nobody(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq)
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.frame.locator(".qr svg").wait_for()
    await stage.page.evaluate(
        """async () => {
          const stranger = document.createElement("iframe");
          stranger.srcdoc = `<script>parent.postMessage({ type: "successPayment", payload: {} }, "*")</script>`;
          const heardIt = new Promise((done) => addEventListener("message", done, { once: true }));
          document.body.append(stranger);
          await heardIt;
          postMessage({ type: "close" }, "*");
          await new Promise((done) => addEventListener("message", done, { once: true }));
        }"""
    )
    assert await stage.page.evaluate("heard.filter(({ name }) => name === 'success' || name === 'close')") == []


async def test_two_of_them_live_on_one_page(browser: Browser, banq: Banq) -> None:
    stage = await at_shop(browser, banq, ONE, TWO)
    await stage.page.get_by_role("button", name="Payer par banque").click()
    await stage.frame.get_by_role("heading", name="Choisissez votre banque").wait_for()
    await stage.page.evaluate("two.close()")
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.frame.locator(".qr svg").wait_for()
    await stage.pays()
    assert (await stage.hears("success"))["id"] == "one"


async def test_a_strict_policy_of_the_page_is_enough(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    stage.headers = {"content-security-policy": STRICT.format(base=stage.base)}
    complaints: list[str] = []
    stage.page.on("console", lambda said: complaints.append(said.text) if "policy" in said.text.lower() else None)
    await stage.serve(elements(stage.base, ONE))
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.frame.locator(".qr svg").wait_for()
    box = await stage.page.locator("opengiro-checkout iframe").bounding_box()
    assert box is not None
    assert box["width"] == 860
    assert complaints == []


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_it_fits_the_window_and_reads_in_both_directions(browser: Browser, banq: Banq, width: int) -> None:
    stage = await at_shop(browser, banq, width=width, attributes=" dir=rtl")
    await stage.page.get_by_role("button", name="Pay by bank").click()
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()
    await stage.frame.locator(".handoff").wait_for()
    box = await stage.page.locator("opengiro-checkout iframe").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert await stage.frame.locator(".qr").is_visible() == (width > 640)
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await stage.frame.locator("html").evaluate(f"() => {wide}")
    assert await stage.flaws() == []


async def test_an_attribute_opens_it_and_tells_when_it_closed(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    created = await banq.get_paid()
    await stage.serve(elements(stage.base, f'<opengiro-checkout id="one" link="{created["url"]}" open theme="dark">'))
    await stage.frame.get_by_role("heading", name="Choose your bank").wait_for()
    await stage.page.evaluate("one.removeAttribute('open')")
    await stage.hears("close")
    assert await stage.page.locator("opengiro-checkout iframe").count() == 0


async def test_it_is_small() -> None:
    script = Path(__file__).parents[2] / "src/opengiro/web/widget/static/opengiro.js"
    assert len(gzip.compress(script.read_bytes(), 9)) <= 6000
