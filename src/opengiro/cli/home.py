"""The home page of `opengiro dev`: what runs here, what each sandbox bank plays, a payment to paste into a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from opengiro.cli.pages import local, page

if TYPE_CHECKING:
    from opengiro.domain.banks import Bank
    from opengiro.usecases import Core

STORIES: Mapping[str, str] = {
    "horizon": "The friendly one: three clicks, and every status told.",
    "mercure": "You approve in its app, on the phone page.",
    "brume": "Never tells the end: payments stay accepted.",
    "orage": "Down: it refuses every call.",
    "nordlicht": "Wants the payer’s IBAN first.",
    "zwin": "Answers with relative links.",
    "polder": "No instant payments.",
    "sol": "Takes the order, then says nothing for 30 seconds.",
    "laguna": "Makes us start the authorisation ourselves.",
    "escargot": "Takes 2.5 seconds for every answer.",
}
"""What each sandbox bank is there to show, by its code."""


def home(core: Core, merchant_id: int, world: Mapping[str, Any], banks: Sequence[Bank]) -> BaseRoute:
    """Return the home page's route."""
    journey = journey_of(world["powens"], world["inbox_url"])

    async def show(_: Request) -> Response:
        ahead = core.clock.offset(merchant_id)
        now = core.now(merchant_id)
        return page("home.html", world=world, banks=banks, stories=STORIES, journey=journey, now=now, moved=bool(ahead))

    return local("/", show)


def journey_of(powens: Mapping[str, Any], inbox_url: str) -> str:
    """Return shell lines that make a payment from start to end, with these credentials."""
    return _JOURNEY.format(**powens, callback=f"{inbox_url}/callback").rstrip()


_JOURNEY = """\
api={base_url}
pick() {{ python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }}

token=$(curl -s $api/auth/token -d grant_type=client_credentials -d scope=payments:admin \\
  -d client_id={client_id} \\
  -d client_secret={client_secret} | pick token)

payment=$(curl -s $api/payments -H "Authorization: Bearer $token" \\
  -H "Content-Type: application/json" -d '{{
  "client_redirect_uri": "{callback}",
  "client_state": "order-77",
  "instructions": [{{
    "label": "Order 77", "amount": 50.90, "currency": "EUR", "execution_date_type": "instant",
    "beneficiary": {{"scheme_name": "iban", "identification": "FR7630006000011234567890189", "label": "My shop"}}
  }}]}}' | pick id)

code=$(curl -s $api/payments/$payment/scopedtoken -H "Authorization: Bearer $token" \\
  -d scope=payments:validate | pick token)

echo "Pay here: $api/auth/webview/payment?client_id={client_id}&payment_id=$payment&code=$code"
"""
