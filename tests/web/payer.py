"""A payer at a real browser, who opens a payment of the shop and finds their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.async_api import BrowserContext, Page, Request

from tests.server import REDIRECT_URI, House


@dataclass(frozen=True, slots=True)
class Payer:
    """One tab of one browser."""

    page: Page
    house: House

    async def opens(self, payment: dict[str, Any], state: str | None = "s-1") -> None:
        """Follow the shop's link to the hosted pages."""
        await self.page.goto(await link(self.house, payment["id"], state))

    async def chooses(self, bank: str) -> None:
        """Take a bank from the list and go on to it."""
        await self.page.locator("a.bank", has_text=bank).first.click()
        await self.page.locator("button.main").click()

    async def plays(self, scene: str) -> None:
        """Take the wire's test bank with one of its scenarios."""
        await self.page.locator("a.bank", has_text="Connecteur de test").first.click()
        await self.page.locator("#field-use_case_pay").select_option(scene)
        await self.page.locator("button.main").click()

    async def approves(self, account: int = 0, decision: str = "approve") -> None:
        """Sign in at the sandbox bank, take an account, and decide."""
        await self.page.wait_for_url("**/sandbox/**")
        await self.page.locator("#login button.main").click()
        await self.page.locator("input[name=account]").nth(account).check()
        await self.page.locator("main button.main").click()
        await self.page.locator(f"button[name=decision][value={decision}]").click()

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[Awaitable[dict[str, str]]]:
        """While the block acts, watch for the shop's address; what is yielded are its parameters."""
        async with self.page.expect_event("request", predicate=_is_shop) as event:
            yield _parameters(event)

    async def until_over(self, payment: dict[str, Any]) -> None:
        """Wait until nothing can be paid at the bank any more."""
        attempts = self.house.core.store.attempts
        async with asyncio.timeout(10):
            while True:
                last = await attempts.last(self.house.merchant_id, payment["id"])
                if last is None or last.phase == "ended":
                    return
                await asyncio.sleep(0.05)

    @property
    def heading(self) -> Any:
        """The heading of the page."""
        return self.page.locator("h1")


async def _parameters(event: Any) -> dict[str, str]:
    request = await event.value
    return dict(parse_qsl(urlsplit(request.url).query))


def _is_shop(request: Request) -> bool:
    return request.url.startswith(REDIRECT_URI)


async def link(house: House, payment_id: int, state: str | None = "s-1") -> str:
    """Return the link a shop gives its payer."""
    answer = await house.call("POST", f"/payments/{payment_id}/scopedtoken", {"scope": "payments:validate"})
    query = {
        "client_id": house.credentials.client_id,
        "redirect_uri": REDIRECT_URI,
        "code": answer.json()["token"],
        "payment_id": str(payment_id),
    }
    return f"{house.api}/auth/webview/payment?{urlencode(query | ({'state': state} if state else {}))}"


async def sit_down(context: BrowserContext, house: House) -> Payer:
    """Open a tab."""
    return Payer(await context.new_page(), house)
