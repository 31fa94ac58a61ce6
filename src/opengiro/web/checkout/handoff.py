"""Hands a checkout over to another device: the QR code, the code to type, and the doors where the other one enters.

Whoever holds the payment's link may open it anyway; a claim adds that the first screen knows and follows.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import segno
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from opengiro.dialects import admit, same_machine_elsewhere
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.hand_over import offer_claim, take_claim, take_typed_claim
from opengiro.web.checkout.forms import FormFault, read_open_form
from opengiro.web.checkout.pages import print_code
from opengiro.web.checkout.visit import language_of
from opengiro.web.headers import page_headers

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.domain.payment import Payment
    from opengiro.usecases import Core

CODE = "/code"
_TYPED_MAX = 32


class OfferOut(msgspec.Struct, frozen=True):
    """What a page shows of an offer; the QR code is `path`, a drawing in squares of one on `size` by `size`."""

    share: str
    code: str
    typed_at: str
    life_s: int
    size: int
    path: str


def doors(core: Core) -> Sequence[BaseRoute]:
    """Return the routes by which another device enters."""

    async def scanned(request: Request) -> Response:
        return await _scanned(core, request)

    async def ask(request: Request) -> Response:
        return same_machine_elsewhere(core, request) or _code_page(request)

    async def typed(request: Request) -> Response:
        return await _typed(core, request)

    return [
        Route("/h/{secret}", scanned, methods=["GET"]),
        Route(CODE, ask, methods=["GET"]),
        Route(CODE, typed, methods=["POST"]),
    ]


async def print_offer(core: Core, payment: Payment, handle: str | None = None) -> bytes:
    """Make an offer and print it; the QR code keeps the short form of a payment that has a link."""
    offer = await offer_claim(core, payment, handle)
    link = await core.store.links.code(payment.merchant_id, payment.payment_id)
    scanned = f"{core.own_url}/{link}?h={offer.secret}" if link else f"{core.own_url}/h/{offer.secret}"
    size, path = draw(scanned)
    out = OfferOut(
        share=f"{core.own_url}/{link}" if link else scanned,
        code=f"{offer.code[:4]}-{offer.code[4:]}",
        typed_at=core.own_url.partition("://")[2] + CODE,
        life_s=int(offer.life.total_seconds()),
        size=size,
        path=path,
    )
    return msgspec.json.encode(out)


def draw(text: str) -> tuple[int, str]:
    """Return a QR code's width and its dark parts as an SVG path, a stroke for each run of squares."""
    rows = segno.make_qr(text, error="m").matrix
    strokes = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                strokes.append(f"M{start} {y}h{x - start}v1H{start}z")
            x += 1
    return len(rows), "".join(strokes)


async def _scanned(core: Core, request: Request) -> Response:
    """Let in whoever scanned first; looking (HEAD) uses nothing up."""
    if elsewhere := same_machine_elsewhere(core, request):
        return elsewhere
    if request.method == "HEAD":
        return Response()
    try:
        return admit(core, await take_claim(core, request.path_params["secret"]))
    except Refused as refused:
        raise HTTPException(400) from refused


async def _typed(core: Core, request: Request) -> Response:
    """Let in whoever typed a code that is good, or ask again."""
    visitor = request.client.host if request.client else ""
    try:
        typed = (await read_open_form(request)).get("code", "")[:_TYPED_MAX]
        return admit(core, await take_typed_claim(core, typed, visitor))
    except FormFault:
        return _code_page(request, 400, "wrong")
    except Refused as refused:
        if refused.why is not Refusal.TOO_MANY_REQUESTS:
            return _code_page(request, 422, "wrong")
        answer = _code_page(request, 429, "busy")
        answer.headers["Retry-After"] = str(refused.wait_s)
        return answer


def _code_page(request: Request, status: int = 200, fault: str = "") -> Response:
    nonce = secrets.token_urlsafe(16)
    body = print_code(fault, language_of(request), nonce)
    return Response(body, status, page_headers(nonce), "text/html")
