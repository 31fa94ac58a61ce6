"""The shop in a real browser: by keyboard, for screen readers, on a phone and while a payment goes on."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.kit.banq_wire import BanqWire
from tests.shop.conftest import Shopper

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def problems(page: Page) -> list[str]:
    """Name what a screen reader or a narrow screen would stumble over."""
    found = [one["id"] for one in Axe().run(page).response["violations"]]
    too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*found, "scrolls sideways"] if too_wide else found


def ordered(page: Page, shopper: Shopper) -> str:
    """Buy by keyboard alone; return the address of the order."""
    page.goto(f"{shopper.shop_url}/")
    page.get_by_role("button", name="Add to cart Losange").press("Enter")
    page.get_by_role("radio", name="Standard transfer").press("Space")
    page.get_by_role("button", name="Pay €24.50 by bank").press("Enter")
    page.wait_for_url("**/auth/webview/**")
    return f"{shopper.shop_url}/orders/{shopper.book.orders()[0].id}"


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_fits(page: Page, shopper: Shopper, width: int, lang: str) -> None:
    address = ordered(page, shopper)
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/cart", "/orders", "/nowhere"):
        page.goto(f"{shopper.shop_url}{path}?lang={lang}")
        assert problems(page) == [], path
    payment_id = shopper.payment_id(shopper.book.orders()[0])
    for state, error in (("created", None), ("pending", None), ("rejected", "CancelledByUser")):
        shopper.wire.set_state(payment_id, state, error)
        page.goto(f"{shopper.shop_url}/return?state={address.rsplit('/', 1)[1]}")
        assert problems(page) == [], state


def test_a_waiting_page_turns_paid_by_itself_and_says_so(page: Page, shopper: Shopper) -> None:
    page.goto(ordered(page, shopper))
    page.evaluate("window.neverLeft = true")
    order = shopper.book.orders()[0]
    shopper.wire.set_state(shopper.payment_id(order), "done")
    shopper.get(f"/return?state={order.id}")
    expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!", timeout=15_000)
    expect(page.locator("header .count")).to_have_count(0)
    assert page.evaluate("window.neverLeft")
    assert problems(page) == []


def test_the_policy_lets_the_form_through_to_the_hosted_page(page: Page, shopper: Shopper) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    ordered(page, shopper)
    assert not [one for one in complaints if "Content Security Policy" in one]
    assert "the hosted page" in page.content()


def test_the_whole_purchase_works_without_javascript(browser: Browser, shopper: Shopper) -> None:
    context = browser.new_context(locale="en", java_script_enabled=False)
    page = context.new_page()
    page.goto(ordered(page, shopper))
    order = shopper.book.orders()[0]
    shopper.wire.set_state(shopper.payment_id(order), "done")
    page.goto(f"{shopper.shop_url}/return?state={order.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Paid. Thank you!")
    context.close()


def with_widget(page: Page, shopper: Shopper) -> list[str]:
    """Open the cart where the widget is offered; return what the browser complains of."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{shopper.shop_url}/")
    page.get_by_role("button", name="Add to cart Losange").press("Enter")
    expect(page.get_by_role("heading", name="Or pay without leaving this page")).to_be_visible()
    return complaints


@pytest.mark.parametrize("width", WIDTHS)
def test_a_payer_with_a_phone_sees_the_page_move_on_by_itself(
    page: Page, banq_shopper: Shopper, banq_wire: BanqWire, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    complaints = with_widget(page, banq_shopper)
    assert problems(page) == []
    page.get_by_role("button", name="Pay with banq").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("https://link.banq.com/")
    (order,) = banq_shopper.book.orders()
    banq_wire.set_status(banq_wire.guids[0], "completed")
    banq_shopper.get(f"/orders/{order.id}/standing?look")
    page.wait_for_url(f"**/orders/{order.id}")
    expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")
    assert complaints == []


def test_a_payer_goes_on_from_the_orders_page(page: Page, banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    with_widget(page, banq_shopper)
    page.get_by_role("button", name="Pay with banq").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("https://link.banq.com/")
    (order,) = banq_shopper.book.orders()
    page.goto(f"{banq_shopper.shop_url}/orders/{order.id}")
    page.evaluate("window.neverLeft = true")
    page.get_by_role("button", name="Pay with banq").press("Enter")
    banq_wire.set_status(banq_wire.guids[0], "processing")
    banq_shopper.get(f"/orders/{order.id}/standing?look")
    expect(page.get_by_role("status")).to_contain_text("under way")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert problems(page) == []
    banq_wire.set_status(banq_wire.guids[0], "failed")
    banq_shopper.get(f"/orders/{order.id}/standing?look")
    expect(page.get_by_role("status")).to_contain_text("did not go through")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Pay with banq").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("https://link.banq.com/")
    expect(page.get_by_role("status")).to_contain_text("waits for your approval")
    banq_wire.set_status(banq_wire.guids[1], "completed")
    banq_shopper.get(f"/orders/{order.id}/standing?look")
    expect(page.get_by_role("status")).to_contain_text("Paid. Thank you!")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("window.neverLeft")
    assert problems(page) == []
    assert len(banq_wire.payments) == 2


def test_a_link_that_cannot_be_had_is_said(page: Page, banq_shopper: Shopper) -> None:
    page.route("**/generate-payment-link", lambda route: route.abort())
    with_widget(page, banq_shopper)
    page.get_by_role("button", name="Pay with banq").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Pay by the button above instead")
    assert problems(page) == []
