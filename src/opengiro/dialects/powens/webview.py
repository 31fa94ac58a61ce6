"""The browser's side of the powens wire: the webview's URL, the test bank's return, and the callback at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.dialects import admit, same_machine_elsewhere
from opengiro.dialects.powens.write import callback_url
from opengiro.domain.lifecycle import State
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.open_checkout import OpenCheckout, open_checkout
from opengiro.usecases.return_from_bank import return_from_bank

if TYPE_CHECKING:
    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import Checkout

LANGUAGES = ("en", "fr", "de", "nl", "pt", "it", "es")
STATE_LENGTH_MAX = 2000
"""Paths that open the webview: the domain's own host, and the shapes of the shared webview host (PU30)."""


def pages(core: Core) -> Sequence[BaseRoute]:
    """Return the routes that browsers open."""

    async def enter(request: Request) -> Response:
        return await _enter(core, request)

    async def webauth(request: Request) -> Response:
        return await _webauth(core, request)

    paths = ("/2.0/auth/webview/payment", "/2.0/auth/webview/{language}/payment", "/payment", "/{language}/payment")
    return [
        *(Route(path, enter, methods=["GET"]) for path in paths),
        Route("/2.0/webauth/callback", webauth, methods=["GET"]),
    ]


def farewell(checkout: Checkout, leaving: str) -> str | None:
    """Return the callback URL for a payer who `finished`, `cancelled`, or leaves for `later` (PC5, PU25).

    Success and bank returns go to the payment's own URI, quitting inside the pages to the one of the link; the
    state is the one given with the URI that is used, else the other.
    """
    payment, session = checkout.payment, checkout.session
    if leaving == "finished":
        uri, state = payment.redirect_uri, _first(payment.client_state, session.client_state)
        return uri and callback_url(payment, uri, state, from_bank=payment.state is not State.CREATED)
    uri, state = session.redirect_uri, _first(session.client_state, payment.client_state)
    return uri and callback_url(payment, uri, state, cancelled=leaving == "cancelled")


def _first(state: str | None, otherwise: str | None) -> str | None:
    return state if state is not None else otherwise


async def _enter(core: Core, request: Request) -> Response:
    """Swap the token in the URL for a session and a clean URL at once (PU34); errors never redirect."""
    if elsewhere := same_machine_elsewhere(core, request):
        return elsewhere
    query = request.query_params
    language = request.path_params.get("language")
    number = query.get("payment_id", "")
    if language is not None and language not in LANGUAGES:
        raise HTTPException(404)
    if not re.fullmatch(r"\d{1,16}", number, re.ASCII) or len(query.get("state", "")) > STATE_LENGTH_MAX:
        raise HTTPException(400)
    command = OpenCheckout(
        token=query.get("code", ""),
        payment_id=int(number),
        client_id=query.get("client_id"),
        dialect="powens",
        redirect_uri=query.get("redirect_uri") or None,
        client_state=query.get("state"),
        language=language,
    )
    try:
        opened = await open_checkout(core, command)
    except Refused as refused:
        raise HTTPException(400) from refused
    return admit(core, opened)


async def _webauth(core: Core, request: Request) -> Response:
    """Play the test bank's approval: visiting its URL is the payer's yes, and then they return (section 9)."""
    try:
        standing = await return_from_bank(core, request.query_params.get("state", ""), dict(request.query_params))
    except Refused as refused:
        raise HTTPException(404 if refused.why is Refusal.NOT_FOUND else 400) from refused
    attempt = standing.attempt
    if attempt is None or not attempt.back_to:
        raise HTTPException(404)
    return RedirectResponse(attempt.back_to, 303)
