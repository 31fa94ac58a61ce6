"""The pages in a real browser, under the real headers: accessibility rules, narrow widths, no scripts, no strangers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.gallery import PAGES
from tests.web.stage import gallery_app, served

NAMES = [*PAGES, "link_invalid", "busy", "closed", "ours"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(gallery_app()) as address:
        yield address


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Page:
    return _open(browser, viewport=PHONE)


@pytest.fixture(scope="module")
def lit_phone(browser: Browser) -> Page:
    return _open(browser, viewport=PHONE, bypass_csp=True)  # the rules are a script of ours from outside


@pytest.fixture(scope="module")
def dark_desktop(browser: Browser) -> Page:
    dark = {"color_scheme": "dark", "reduced_motion": "reduce"}
    return _open(browser, viewport=DESKTOP, bypass_csp=True, **dark)


@pytest.fixture(scope="module")
def zoomed(browser: Browser) -> Page:
    return _open(browser, viewport={"width": 320, "height": 256})


def _open(browser: Browser, **options: object) -> Page:
    return browser.new_context(**options).new_page()  # type: ignore[arg-type]


def _violations(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}: {one['nodes'][0]['failureSummary']}" for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_accessibility_rules_find_nothing(name: str, address: str, lit_phone: Page, dark_desktop: Page) -> None:
    """U20, on a light phone in English and a dark desktop in French."""
    for page, language in ((lit_phone, "en"), (dark_desktop, "fr")):
        page.goto(f"{address}/{language}/{name}")
        assert _violations(page) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_at_four_hundred_per_cent(name: str, address: str, zoomed: Page) -> None:
    """U20: 1280 pixels at 400 % are 320."""
    zoomed.goto(f"{address}/fr/{name}")
    assert zoomed.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_stops_nothing_of_ours_and_no_stranger_is_asked(name: str, address: str, browser: Browser) -> None:
    """U21."""
    page = _open(browser, viewport=PHONE)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/en/{name}", wait_until="load")
    # The gallery has no payments, so what waiting pages ask for is not there.
    assert [one for one in complaints if "Failed to load resource" not in one] == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert page.evaluate("document.documentElement.className") == "has-script"
    page.context.close()


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_large_enough_for_a_thumb(name: str, address: str, phone: Page) -> None:
    """U20: 44 pixels on phones; links inside a sentence are exempt, as in WCAG 2.5.8."""
    phone.goto(f"{address}/en/{name}")
    small = phone.evaluate(
        """[...document.querySelectorAll('a, button, summary, select, input:not([type=hidden])')]
        .filter(e => !e.closest('.skip, .complaints, p') && e.checkVisibility())
        .map(e => [(e.closest('label.check') ?? e).getBoundingClientRect().height, e.outerHTML])
        .filter(([height]) => height < 44)"""
    )
    assert small == []


def test_on_a_phone_everything_that_builds_trust_is_seen_without_scrolling(address: str, browser: Browser) -> None:
    """U6."""
    page = _open(browser, viewport=PHONE)
    page.goto(f"{address}/fr/choose")
    for text in ("Maison Lavande", "Lavande & Fils SARL", "129,90", "Nous ne voyons jamais votre mot de passe"):
        box = page.get_by_text(text).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < PHONE["height"] / 2
    page.context.close()


def test_the_heading_of_a_step_is_where_readers_start(address: str, browser: Browser) -> None:
    page = _open(browser, viewport=PHONE)
    page.goto(f"{address}/en/review")
    assert page.evaluate("document.activeElement.id") == "heading"
    page.goto(f"{address}/en/review-wrong")
    assert page.evaluate("document.activeElement.id") == "complaints"
    page.context.close()


def test_the_receipt_goes_back_by_itself_unless_the_payer_stays(address: str, browser: Browser) -> None:
    page = _open(browser)
    page.clock.install()
    page.route("https://shop.example/**", lambda route: route.fulfill(body="the shop"))
    page.goto(f"{address}/en/over-rejected-by-bank")
    page.get_by_role("button", name="Stay here").click()
    page.clock.run_for(20_000)
    assert page.url.startswith(address)
    page.reload()
    page.clock.run_for(9_000)
    page.wait_for_url("https://shop.example/back")
    page.context.close()
