"""The addresses of the widget. Its page holds no cookie: whoever has the payment's link may see how it stands.

The link's code travels in bodies, so that no log of addresses collects it, and a bank is opened in a window of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from opengiro.dialects import admit, same_machine_elsewhere
from opengiro.domain.merchants import origin_of
from opengiro.domain.refusals import Refused
from opengiro.usecases.grant_live_token import grant_page_token
from opengiro.usecases.list_banks import list_banks
from opengiro.usecases.open_checkout import Checkout, look_at_link, open_link
from opengiro.web.checkout import steps, view
from opengiro.web.checkout.assets import asset_route, send_file
from opengiro.web.checkout.forms import FormFault, read_open_form
from opengiro.web.checkout.handoff import print_offer
from opengiro.web.checkout.languages import wanted_language
from opengiro.web.headers import frame_headers
from opengiro.web.widget.embedding import link_code_in, read_embedding
from opengiro.web.widget.news import Receipt, tell
from opengiro.web.widget.pages import ASSETS, Sheet, print_sheet

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.domain.banks import Bank
    from opengiro.usecases import Core

BANKS_SHOWN = 6
_CODE_BYTES_MAX = 64
_SCRIPTS = ("ecommerce.js", "opengiro.js")
_SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Vary": "Accept-Encoding",
    # Shops load these into their own pages; they are the same for everybody and hold nothing.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def widget(core: Core, receipts: Mapping[str, Receipt]) -> Sequence[BaseRoute]:
    """Return the routes of the widget; `receipts` words success for the shop's page, by dialect."""
    counter = Counter(core, receipts)
    return [
        asset_route(ASSETS),
        *(Route(f"/widget/{name}", _script, methods=["GET", "HEAD"]) for name in _SCRIPTS),
        Route("/widget", counter.show, methods=["GET"]),
        Route("/widget/", counter.show, methods=["GET"]),
        Route("/widget/enter", counter.answering(counter.enter), methods=["POST"]),
        Route("/widget/look", counter.answering(counter.look), methods=["POST"]),
        Route("/widget/handoff", counter.answering(counter.handoff), methods=["POST"]),
        Route("/widget/pay", counter.pay, methods=["POST"]),
    ]


class Counter:
    """Serves the page and what it asks for."""

    def __init__(self, core: Core, receipts: Mapping[str, Receipt]) -> None:
        """Serve `core`'s payments."""
        self._core = core
        self._receipts = receipts

    def answering(self, answer: Callable[[Request, Checkout], Awaitable[bytes | None]]) -> Callable[..., object]:
        """Turn a question about the payment whose code is the body into a route; there may be no answer any more."""

        async def endpoint(request: Request) -> Response:
            checkout = await self._find(await _code_sent(request))
            if checkout is None:
                return Response(status_code=404)
            body = await answer(request, checkout)
            return Response(status_code=409) if body is None else Response(body, media_type="application/json")

        return endpoint

    async def show(self, request: Request) -> Response:
        """Print the page for whichever payment and page around it the query names."""
        embedding = read_embedding(request.query_params, request.headers.get("referer"))
        language = _language(request, embedding.language)
        sheet = Sheet(embedding=embedding, page=embedding.page, language=language, zone=UTC)
        checkout = await self._find(embedding.code) if embedding.pays else None
        if checkout is None:
            trouble = "link" if embedding.pays else "mode"
            return self._print(replace(sheet, trouble=trouble), frozenset())
        allowed = await self._allowed(checkout)
        if allowed and embedding.page not in allowed:
            sheet = replace(sheet, page=None)
        return self._print(await self._filled(sheet, checkout), allowed)

    async def enter(self, _request: Request, checkout: Checkout) -> bytes:
        """Give the page a token, to be kept in memory, with which it follows the payment."""
        grant = await grant_page_token(self._core, checkout.payment)
        return msgspec.json.encode({"url": f"/live/{checkout.payment.payment_id}", "token": grant.token})

    async def look(self, request: Request, checkout: Checkout) -> bytes:
        """Tell how the payment stands."""
        language = _language(request, request.query_params.get("language"))
        receipt = self._receipts.get(checkout.payment.dialect)
        return msgspec.json.encode(await tell(self._core, checkout, receipt, language))

    async def handoff(self, _request: Request, checkout: Checkout) -> bytes | None:
        """Offer the payment to another device while its bank is still to be chosen."""
        return await print_offer(self._core, checkout.payment) if steps.may_choose(checkout) else None

    async def pay(self, request: Request) -> Response:
        """Open the hosted pages in the window that the press of a button opened, at the bank that was pressed."""
        if elsewhere := same_machine_elsewhere(self._core, request):
            return elsewhere
        try:
            fields = await read_open_form(request)
            opened = await open_link(self._core, link_code_in(fields.get("code", "")) or "")
        except (FormFault, Refused):
            return Response(status_code=404)
        answer = admit(self._core, opened)
        if any(bank.bank_id == fields.get("bank") for bank in self._core.store.banks.all()):
            answer.headers["Location"] += f"/banks/{fields['bank']}"
        return answer

    async def _find(self, code: str | None) -> Checkout | None:
        try:
            return await look_at_link(self._core, code) if code else None
        except Refused:
            return None

    def _print(self, sheet: Sheet, allowed: frozenset[str]) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = frame_headers(nonce, allowed, origin_of(self._core.own_url) or "")
        return Response(print_sheet(sheet, nonce), headers=headers, media_type="text/html")

    async def _allowed(self, checkout: Checkout) -> frozenset[str]:
        """Return the origins that the payment's application registered for its widgets (BD31)."""
        payment = checkout.payment
        application = await self._core.store.applications.load(payment.merchant_id, payment.client_id)
        return application.widget_origins if application else frozenset()

    async def _filled(self, sheet: Sheet, checkout: Checkout) -> Sheet:
        receipt = self._receipts.get(checkout.payment.dialect)
        return replace(
            sheet,
            zone=steps.zone_of(checkout),
            summary=steps.summary(checkout),
            banks=self._banks(checkout),
            news=await tell(self._core, checkout, receipt, sheet.language),
            test=steps.is_test(self._core, checkout),
        )

    def _banks(self, checkout: Checkout) -> tuple[Bank, ...]:
        """Return the first banks to offer: those of the country where the shop is paid, before all others."""
        bank = steps.preselected(self._core, checkout)
        if bank is not None:
            return (bank,)
        offered, home = list_banks(self._core, checkout.payment), steps.home_country(checkout)
        usable = [bank for bank in offered if view.usable(bank)]
        return tuple(sorted(usable, key=lambda bank: home not in bank.countries)[:BANKS_SHOWN])


def _language(request: Request, wished: str | None) -> str:
    return wanted_language(request.headers.get("accept-language", ""), wished)


async def _code_sent(request: Request) -> str | None:
    """Return the code that is a request's whole body."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _CODE_BYTES_MAX:
            return None
    return link_code_in(body.decode("ascii", "replace"))


async def _script(request: Request) -> Response:
    return send_file(ASSETS.files[request.url.path.rpartition("/")[2]], request, _SCRIPT_HEADERS)
