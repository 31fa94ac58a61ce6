"""Home, inbox and return page in a real browser: accessibility rules, narrow widths, live and without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.laptop import Laptop

PAGES = ("/", "/phone", "/inbox", "/inbox/callback?id_payment=1&state=order-77")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def busy(laptop: Laptop) -> Laptop:
    """A laptop whose inbox holds something of every kind."""
    pay(laptop)
    laptop.http.post(f"{laptop.url}/inbox/hook", json={"id": 7, "state": "rejected"})
    laptop.http.post(f"{laptop.url}/inbox/hook", content=b"?")
    laptop.wait(lambda: arrived(laptop) >= 4)
    return laptop


def pay(laptop: Laptop) -> None:
    payment_id = laptop.pay("Order 1")
    laptop.validate(payment_id, TEST_BANK_ID)


def arrived(laptop: Laptop) -> int:
    return int(laptop.http.get(f"{laptop.url}/inbox/newest").json()["newest"])


def look(browser: Browser, **options: object) -> Page:
    return browser.new_context(**options).new_page()  # type: ignore[arg-type]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("dress", [{"viewport": PHONE}, {"viewport": DESKTOP, "color_scheme": "dark"}])
def test_accessibility_rules_find_nothing(browser: Browser, busy: Laptop, path: str, dress: dict[str, object]) -> None:
    page = look(browser, bypass_csp=True, **dress)  # the rules are a script of ours from outside
    page.goto(busy.url + path)
    for one in page.locator("details").all():
        one.evaluate("one => one.open = true")
    found = Axe().run(page, options=RULES).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_off_at_four_hundred_per_cent(browser: Browser, busy: Laptop, path: str) -> None:
    page = look(browser, viewport={"width": 320, "height": 256})
    page.goto(busy.url + path)
    for one in page.locator("details").all():
        one.evaluate("one => one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_finds_nothing_that_the_policy_forbids(browser: Browser, busy: Laptop, path: str) -> None:
    page = look(browser, viewport=DESKTOP)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(busy.url + path, wait_until="networkidle" if path == "/" else "load")
    assert [one for one in said if not one.startswith((busy.url, "data:"))] == []


def test_a_delivery_opens_without_scripts(browser: Browser, busy: Laptop) -> None:
    page = look(browser, java_script_enabled=False)
    page.goto(f"{busy.url}/inbox")
    page.locator("summary").first.click()
    assert page.locator("details pre").first.is_visible()


def test_an_open_inbox_shows_what_arrives_and_keeps_open_what_was_open(browser: Browser, busy: Laptop) -> None:
    page = look(browser)
    page.goto(f"{busy.url}/inbox")
    first = page.locator("details").first
    name = first.get_attribute("id")
    first.locator("summary").click()
    before = page.locator("details").count()
    pay(busy)
    page.locator("details").nth(before).wait_for(state="attached")
    assert page.locator(f"#{name}").get_attribute("open") is not None
    page.get_by_text("more arrived.").wait_for()
    assert page.locator("summary:focus").count() == 1


def test_the_journey_is_copied_by_its_button(browser: Browser, busy: Laptop) -> None:
    page = look(browser, permissions=["clipboard-read", "clipboard-write"])
    page.goto(busy.url)
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == page.locator("#journey").text_content()
