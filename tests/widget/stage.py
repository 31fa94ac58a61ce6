"""A shop's page on an origin of its own, in a real browser, with the checkout inside it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, FrameLocator, Page, Route

from tests.banq import Banq

SHOP = "http://shop.test"
PUBLIC = "--disable-features=LocalNetworkAccessChecks"
"""The shop's page comes out of the test and has no address, so the browser would ask before it reaches loopback."""
NO_FOREIGN_COOKIES = "--test-third-party-cookie-phaseout"

# What the published element does, in its order of keys: builds the address, listens, re-tells, sizes its frame.
PUBLISHED = """<!doctype html><html lang=en><title>Shop</title><body><main><h1>Your order</h1></main><script>
window.heard = [];
addEventListener("message", (event) => {
  heard.push({ type: event.data.type, payload: event.data.payload, origin: event.origin });
  if (event.data.type === "styles") Object.assign(document.querySelector("iframe").style, event.data.payload);
});
window.embed = (base, link, more = {}) => {
  const config = { name: "", mode: "payment-flow", signUpFlowType: "", themeMode: "light", tips: true, ...more.config };
  const query = { refreshToken: "", settings: "", origin: more.origin ?? location.origin, windowWidth: innerWidth,
    windowHeight: innerHeight, appConfig: JSON.stringify(config), tips: true, paymentLink: link };
  const frame = document.createElement("iframe");
  frame.id = "checkout-iframe";
  frame.title = "Banq Checkout Widget";
  frame.style.border = 0;
  frame.src = base + "/widget/?" + Object.entries(query).map(([k, v]) => k + "=" + encodeURIComponent(v)).join("&");
  document.querySelector("main").append(frame);
};
</script></body></html>"""

ELEMENT = """<!doctype html><html lang=en{attributes}><title>Shop</title>
<meta name=viewport content="width=device-width">
<body><main><h1>Your order</h1>{elements}</main>
<script type=module src="{base}/widget/opengiro.js"></script>
<script src="/page.js"></script></body></html>"""

LISTENS = """window.heard = [];
for (const name of ["open", "close", "state", "success", "error"])
  addEventListener("opengiro-" + name, (event) =>
    heard.push({ name, detail: name === "error" ? null : event.detail, id: event.target.id }));
"""


@dataclass(slots=True)
class Stage:
    """One browser context of one payer, at the shop's page."""

    banq: Banq
    context: BrowserContext
    page: Page
    answers: list[int] = field(default_factory=list)  #: statuses the shop's endpoint gives before it works
    waits: asyncio.Event | None = None  #: what the endpoint waits for
    created: dict[str, Any] = field(default_factory=dict)  #: the last payment
    headers: dict[str, str] = field(default_factory=dict)  #: of the shop's page

    @property
    def base(self) -> str:
        """The server's address."""
        return self.banq.house.base_url

    async def serve(self, html: str, origin: str = SHOP) -> None:
        """Show a page of the shop."""

        async def answer(route: Route) -> None:
            await self._answer(route, html)

        await self.page.route(f"{origin}/**", answer)
        await self.page.goto(f"{origin}/order")

    async def _answer(self, route: Route, html: str) -> None:
        if route.request.method == "POST":
            await self._make_link(route)
        elif route.request.url.endswith("/page.js"):
            await route.fulfill(body=LISTENS, content_type="text/javascript")
        else:
            await route.fulfill(body=html, content_type="text/html", headers=self.headers)

    async def _make_link(self, route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if self.waits:
            await self.waits.wait()
        if self.answers:
            await route.fulfill(status=self.answers.pop(0), body="no")
            return
        self.created = await self.banq.get_paid(externalOrderCode=asked["orderId"], funds=2)
        body = json.dumps({"data": {"url": self.created["url"]}})
        await route.fulfill(body=body, content_type="application/json")

    async def embeds(self, more: dict[str, Any] | None = None, origin: str = SHOP) -> FrameLocator:
        """Frame a new payment as the published element does, and return the frame."""
        self.created = await self.banq.get_paid()
        await self.serve(PUBLISHED, origin)
        await self.page.evaluate("([base, link, more]) => embed(base, link, more)", [self.base, self.link, more or {}])
        return self.page.frame_locator("iframe")

    @property
    def link(self) -> str:
        """The payment's link, on the host that samples have."""
        return f"https://link.banq.com/{self.created['url'].rpartition('/')[2]}"

    @property
    def frame(self) -> FrameLocator:
        """The checkout in the dialog of our own element."""
        return self.page.frame_locator("opengiro-checkout iframe")

    async def pays(self, use_case: str = "redirect") -> None:
        """Pay elsewhere."""
        await self.banq.pay(self.created, use_case)

    async def hears(self, kind: str) -> Any:
        """Return what the page was told last of a kind, once it was."""
        key = "type" if "embed" in await self.page.evaluate("Object.keys(window)") else "name"
        what = "([key, kind]) => heard.findLast((one) => one[key] === kind)"
        await self.page.wait_for_function(what, arg=[key, kind], timeout=15_000)
        return await self.page.evaluate(what, [key, kind])

    async def flaws(self) -> list[str]:
        """Return what axe finds wrong in the page and, since it stops at other origins, in each frame by itself."""
        found = [await Axe().run(frame) for frame in self.page.frames if not frame.is_detached()]
        wrong = [one for answer in found for one in answer.response["violations"]]
        return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in wrong]


async def open_stage(browser: Browser, banq: Banq, width: int = 1280, height: int = 800, **options: Any) -> Stage:
    """Sit down at a browser of this size."""
    context = await browser.new_context(viewport={"width": width, "height": height}, **options)
    page = await context.new_page()
    page.set_default_timeout(15_000)
    return Stage(banq, context, page)


def elements(base: str, *tags: str, attributes: str = "") -> str:
    """Return a page of the shop with our elements."""
    return ELEMENT.format(base=base, elements="\n".join(tags), attributes=attributes)
