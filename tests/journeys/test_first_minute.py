"""A newcomer's first minute: from the demo shop to a paid order in a real browser, with clicks and not one key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.cli.laptop import Laptop, started


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    with started(tmp_path / "data") as running:
        yield running


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, chromium: str) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_context(java_script_enabled=request.param, locale="en-GB").new_page()
        browser.close()


def test_a_newcomer_clicks_from_the_shop_to_a_paid_order(laptop: Laptop, page: Page) -> None:
    page.goto(laptop.url)
    page.get_by_role("link", name="Open the demo shop").click()
    page.get_by_role("button", name="Add to cart").first.click()
    page.get_by_role("link", name="Cart").click()
    page.get_by_role("button", name="Pay €").click()

    page.locator("main a", has_text="Horizon Bleu").first.click()  # an option of a list, or a link
    page.locator("main form button.main").click()

    page.locator("#login button").click()
    page.locator("#accounts button").click()
    page.locator("#approve button[value=approve]").click()

    page.get_by_role("heading", name="Paid").wait_for()
    assert page.url.startswith(f"{laptop.url}/shop/")

    page.goto(f"{laptop.url}/inbox")
    page.locator(".is-done").first.wait_for()
    assert page.get_by_text("signature is right").count() >= 2
