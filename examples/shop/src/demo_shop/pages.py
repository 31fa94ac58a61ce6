"""The shop's pages and what their forms do.

Every form works without JavaScript and answers with a redirect. A form sent by another site is refused. Orders are
found by an id that cannot be guessed, so the address of an order is all a visitor needs.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from opengiro_kit import Declined, Unreachable, WebhookRefused, read_event
from opengiro_kit import Order as Expected
from opengiro_kit import banq as banq_wire
from opengiro_kit.counter import Reply, asked_order, link_reply
from opengiro_kit.signatures import whole_async
from opengiro_kit.steps import cook_async
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from demo_shop.book import Book, Cart, Order
from demo_shop.catalogue import PRODUCTS, SHELF, price_text
from demo_shop.till import BRISE_ET_FILS, EXECUTIONS, Till, amount, label
from demo_shop.wording import EVENTS, LANGUAGES, REASONS, STANDINGS, TEXTS, preferred

FORM_MAX_BYTES = 10_000
WEBHOOK_MAX_BYTES = 262_144
CART_COOKIE = "shop_cart"
LANG_COOKIE = "shop_lang"
PAYABLE = frozenset({"open", "failed", "cancelled"})
LINKABLE = PAYABLE | {"moving"}
CANCELLABLE = frozenset({"open", "moving"})
CHANGING = frozenset({"open", "waiting", "moving"})
NOTICES = frozenset({"busy", "declined", "unreachable"})

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Shop:
    """What the pages are made of."""

    book: Book
    till: Till
    shop_url: str
    webhook_secrets: Callable[[], tuple[str, ...]]
    widget_url: str = ""
    banq_secrets: Callable[[], tuple[str, ...]] = tuple

    @property
    def path(self) -> str:
        """The path that every address of the shop begins with."""
        return urlsplit(self.shop_url).path.rstrip("/")

    def at(self, path: str) -> str:
        """Return an address within the shop."""
        return self.path + path


class Pages:
    """One method for each thing a visitor can do."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._templates = Environment(
            loader=PackageLoader("demo_shop"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def routes(self) -> list[BaseRoute]:
        """Return every address of the shop but its drawings."""
        return [
            Route("/", self.shelf),
            Route("/cart", self.cart),
            Route("/cart/put", self.put, methods=["POST"]),
            Route("/checkout", self.checkout, methods=["POST"]),
            Route("/return", self.returned),
            Route("/cart/order", self.place, methods=["POST"]),
            Route("/generate-payment-link", self.link, methods=["POST"]),
            Route("/webhook", self.webhook, methods=["POST"]),
            Route("/webhook/banq", self.webhook_banq, methods=["POST"]),
            Route("/orders", self.orders),
            Route("/orders/{order_id}", self.order),
            Route("/orders/{order_id}/standing", self.standing),
            Route("/orders/{order_id}/live", self.live),
            Route("/orders/{order_id}/pay", self.pay, methods=["POST"]),
            Route("/orders/{order_id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def shelf(self, request: Request) -> Response:
        """Show what there is to buy."""
        return self._page(request, "shelf.html", shelf=SHELF)

    async def cart(self, request: Request) -> Response:
        """Show the cart and how it can be paid."""
        return self._page(request, "cart.html", products=PRODUCTS)

    async def put(self, request: Request) -> Response:
        """Set or raise the quantity of a product in the cart."""
        form = await _form(request)
        cart = self._cart(request)
        product, quantity = form.get("product", ""), form.get("quantity", "")
        if product in PRODUCTS and quantity.isdecimal() and len(quantity) < 4:
            self._shop.book.put_in_cart(cart.id, product, int(quantity), adding="add" in form)
        return self._keeping_cart(self._go("/cart"), cart)

    async def checkout(self, request: Request) -> Response:
        """Turn the cart into an order and send the payer to approve it."""
        form = await _form(request)
        cart = self._cart(request)
        if not cart.lines:
            return self._go("/cart")
        order = self._shop.book.open_order(cart)
        return await self._pay(request, order, form.get("speed", "instant"))

    async def place(self, request: Request) -> Response:
        """Turn the cart into an order and tell the widget's page what to ask a link for."""
        cart = self._cart(request)
        if not cart.lines:
            return JSONResponse({"error": "empty_cart"}, 409)
        order = self._shop.book.open_order(cart)
        return JSONResponse({**self._question(order), "page": self._shop.at(f"/orders/{order.id}")})

    async def link(self, request: Request) -> Response:
        """Answer the widget's page with the link that pays an order."""
        body = await _body(request, FORM_MAX_BYTES)
        asked = await cook_async(asked_order(self._expected, request.headers.get("content-type", ""), body))
        if isinstance(asked, Reply):
            return _respond(asked)
        order = self._shop.book.order(asked.id)
        if order is None or order.standing not in LINKABLE or not self._shop.widget_url:
            return JSONResponse({"error": "not_payable"}, 409)
        try:
            return _respond(link_reply(await self._shop.till.link(order)))
        except Declined as refusal:
            return JSONResponse({"error": _declined(refusal)}, 409)
        except Unreachable:
            return JSONResponse({"error": "unreachable"}, 503)

    async def live(self, request: Request) -> Response:
        """Give the order's page what it follows the payment with; without it the page asks now and then."""
        order = self._order(request)
        try:
            token = await self._shop.till.live(order) if order else None
        except (Declined, Unreachable):
            token = None
        if token is None:
            return JSONResponse({"error": "nothing_to_follow"}, 404)
        return JSONResponse({"url": token.url, "token": token.token}, headers={"cache-control": "no-store"})

    async def pay(self, request: Request) -> Response:
        """Go on with an order's payment, or begin another after one that failed."""
        order = self._order(request)
        if order is None:
            return self.missing(request)
        form = await _form(request)
        return await self._pay(request, order, form.get("speed", _speed(order)))

    async def returned(self, request: Request) -> Response:
        """Look at the payment once when the payer comes back; what the address says is only a hint."""
        order = self._shop.book.order(request.query_params.get("state", ""))
        if order is None:
            return self.missing(request)
        self._shop.book.note_event(order.id, "returned")
        await self._look_calmly(order)
        return self._go(f"/orders/{order.id}")

    async def order(self, request: Request) -> Response:
        """Show how an order stands."""
        order = self._order(request)
        if order is None:
            return self.missing(request)
        return self._page(
            request,
            "order.html",
            order=order,
            lines=self._shop.book.lines(order.id),
            events=self._shop.book.events(order.id),
            products=PRODUCTS,
            speed=_speed(order),
            payable=order.standing in PAYABLE,
            cancellable=order.standing in CANCELLABLE and order.last_try is not None,
            changing=order.standing in CHANGING,
            linkable=order.standing in LINKABLE,
            question=self._question(order),
            notice=_notice(request),
        )

    async def standing(self, request: Request) -> Response:
        """Tell a waiting page how the order stands, after a look at the payment when the page heard news of it."""
        order = self._order(request)
        if order and "look" in request.query_params and order.standing in CHANGING:
            await self._look_calmly(order)
            order = self._order(request)
        if order is None:
            return JSONResponse({"standing": None}, 404)
        return JSONResponse({"standing": order.standing}, headers={"cache-control": "no-store"})

    async def cancel(self, request: Request) -> Response:
        """Cancel an order's payment while the bank lets go of it."""
        order = self._order(request)
        if order is None:
            return self.missing(request)
        try:
            await self._shop.till.cancel(order)
        except Declined as refusal:
            return self._go(f"/orders/{order.id}?notice={_declined(refusal)}")
        except Unreachable:
            return self._go(f"/orders/{order.id}?notice=unreachable")
        return self._go(f"/orders/{order.id}")

    async def orders(self, request: Request) -> Response:
        """Show the order book."""
        return self._page(request, "orders.html", orders=self._shop.book.orders())

    async def webhook(self, request: Request) -> Response:
        """Hear that a payment changed, and look at it; 5xx asks the sender to come again."""
        body = await _body(request, WEBHOOK_MAX_BYTES)
        try:
            event = read_event(
                request.headers, body, path=self._shop.at("/webhook"), secrets=self._shop.webhook_secrets()
            )
        except WebhookRefused as refusal:
            return Response(str(refusal), 400, media_type="text/plain")
        order = self._shop.book.order_of_payment(event.payment.id)
        if order is None:
            return Response(status_code=204)
        self._shop.book.note_event(order.id, "heard", event.payment.state.value)
        return Response(status_code=204 if await self._look_calmly(order) else 503)

    async def webhook_banq(self, request: Request) -> Response:
        """Hear the same on the other wire; only signed news is heard."""
        secrets = self._shop.banq_secrets()
        try:
            body = await whole_async(request.stream(), WEBHOOK_MAX_BYTES)
            event = banq_wire.read_event(request.headers, body, secrets=secrets)
        except WebhookRefused as refusal:
            return Response(str(refusal), 400, media_type="text/plain")
        if not secrets:
            return Response(status_code=503)
        order = self._shop.book.order_of_payment(event.resource_id)
        if order is None:
            return Response(status_code=204)
        self._shop.book.note_event(order.id, "heard", event.action)
        return Response(status_code=204 if await self._look_calmly(order) else 503)

    def missing(self, request: Request) -> Response:
        """Say that there is nothing at this address."""
        return self._page(request, "plain.html", 404, title="missing", text="missing_more")

    def refused(self, request: Request) -> Response:
        """Say that the form came from elsewhere."""
        return self._page(request, "plain.html", 403, title="refused", text="refused_more")

    def broken(self, request: Request) -> Response:
        """Say that the fault is ours."""
        return self._page(request, "plain.html", 500, title="broken", text="broken_more")

    async def _pay(self, request: Request, order: Order, speed: str) -> Response:
        await self._look_calmly(order)
        order = self._shop.book.order(order.id) or order
        if order.standing not in PAYABLE or speed not in EXECUTIONS:
            return self._go(f"/orders/{order.id}")
        try:
            return RedirectResponse(await self._shop.till.start(order, speed, _lang(request)), 303)
        except Declined as refusal:
            return self._go(f"/orders/{order.id}?notice={_declined(refusal)}")
        except Unreachable:
            return self._go(f"/orders/{order.id}?notice=unreachable")

    async def _look_calmly(self, order: Order) -> bool:
        try:
            await self._shop.till.look(order)
        except (Declined, Unreachable):
            return False
        return True

    def _expected(self, order_id: str) -> Expected | None:
        order = self._shop.book.order(order_id)
        if order is None:
            return None
        return Expected(order.id, None, amount(order.total_minor), order.currency, label(order))

    def _question(self, order: Order) -> dict[str, str]:
        return {"orderId": order.id, "comment": label(order), "funds": str(amount(order.total_minor))}

    def _cart(self, request: Request) -> Cart:
        return self._shop.book.cart(request.cookies.get(CART_COOKIE))

    def _order(self, request: Request) -> Order | None:
        return self._shop.book.order(request.path_params["order_id"])

    def _go(self, path: str) -> RedirectResponse:
        return RedirectResponse(self._shop.at(path), 303)

    def _keeping_cart(self, response: Response, cart: Cart) -> Response:
        _keep_cookie(response, CART_COOKIE, cart.id, self._shop)
        return response

    def _page(self, request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
        lang = _lang(request)
        text = TEXTS[lang]
        html = self._templates.get_template(template).render(
            at=self._shop.at,
            lang=lang,
            languages=LANGUAGES,
            t=lambda key, **values: text[key].format(**values),
            price=lambda minor: price_text(minor, lang),
            standings=STANDINGS[lang],
            happenings=EVENTS[lang],
            reasons=REASONS[lang],
            cart=self._cart(request),
            iban=BRISE_ET_FILS.iban,
            widget_url=self._shop.widget_url,
            **facts,
        )
        response = HTMLResponse(html, status, {"cache-control": "no-store"})
        if request.query_params.get("lang") in LANGUAGES:
            _keep_cookie(response, LANG_COOKIE, lang, self._shop)
        return response


async def _form(request: Request) -> Mapping[str, str]:
    body = await _body(request, FORM_MAX_BYTES)
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


async def _body(request: Request, max_bytes: int) -> bytes:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > max_bytes:
            return b""
    return bytes(parts)


def _respond(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.media_type)


def _speed(order: Order) -> str:
    chosen = order.last_try.execution if order.last_try else None
    return next((speed for speed, execution in EXECUTIONS.items() if execution.value == chosen), "instant")


def _notice(request: Request) -> str | None:
    notice = request.query_params.get("notice")
    return notice if notice in NOTICES else None


def _declined(refusal: Declined) -> str:
    return "busy" if refusal.status == 409 or refusal.code == "notSupported" else "declined"


def _lang(request: Request) -> str:
    chosen = request.query_params.get("lang") or request.cookies.get(LANG_COOKIE)
    return preferred(chosen, request.headers.get("accept-language", ""))


def _keep_cookie(response: Response, name: str, value: str, shop: Shop) -> None:
    response.set_cookie(
        name,
        value,
        max_age=30 * 86_400,
        path=shop.at("/"),
        httponly=True,
        samesite="lax",
        secure=shop.shop_url.startswith("https:"),
    )
