"""A payment link as a page of its own, for a payer whose browser runs no scripts."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.banq import Banq
from tests.server import House
from tests.web.payer import sit_down

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
async def test_a_link_is_paid_without_scripts(
    browser: Browser, house: House, banq: Banq, size: tuple[int, int]
) -> None:
    """BD33, U20: nobody is sent anywhere afterwards, so the page itself says that it is paid."""
    width, height = size
    context = await browser.new_context(java_script_enabled=False, viewport={"width": width, "height": height})
    payer = await sit_down(context, house)
    created = await banq.get_paid()
    await payer.page.goto(created["url"])
    await expect(payer.heading).to_have_text("Choose your bank")
    await payer.chooses("Horizon Bleu")
    await payer.approves()
    await expect(payer.heading).to_have_text("Paid")
    assert (await banq.settled(created, "completed"))["status"] == "completed"
    await context.close()
