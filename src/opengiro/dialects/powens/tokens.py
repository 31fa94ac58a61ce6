"""Tokens of the powens wire: for the client, and for one payment."""

from __future__ import annotations

from urllib.parse import urljoin

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_body
from opengiro.dialects.powens.schema import LiveTokenOut, ScopedTokenIn, ScopedTokenOut, TokenIn, TokenOut
from opengiro.dialects.powens.wording import SCOPES
from opengiro.dialects.powens.write import answer
from opengiro.domain.complaints import Complaints
from opengiro.domain.rights import Principal, Right
from opengiro.usecases.authenticate import authenticate_application
from opengiro.usecases.grant_live_token import grant_live_token
from opengiro.usecases.grant_token import grant_payment_token, grant_service_token

SCOPES_MAX = 16


async def create_token(call: Call) -> Answer:
    """Give a service token for client credentials."""
    body = read_body(call, TokenIn)
    wrong = Complaints()
    if wrong.need(body.grant_type, "grant_type") not in (None, "client_credentials"):
        wrong.add("grant_type", "is client_credentials")
    wrong.need(body.client_id, "client_id")
    wrong.need(body.client_secret, "client_secret")
    scopes, rights = read_scopes(body.scope, wrong)
    wrong.raise_any()
    grant = await grant_service_token(call.core, str(body.client_id), body.client_secret or "", rights)
    return answer(TokenOut(token=grant.token, scope=scopes))


async def token_claimant(call: Call) -> Principal | None:
    """Return whose idempotency key a token request carries: its client's, once the credentials are right."""
    body = read_body(call, TokenIn)
    if body.client_id is None or body.client_secret is None:
        return None
    application = await authenticate_application(call.core, str(body.client_id), body.client_secret)
    return Principal(merchant_id=application.merchant_id, client_id=application.client_id, rights=frozenset())


async def create_scoped_token(call: Call) -> Answer:
    """Give a token for one payment, which the webview's URL carries as `code`."""
    payment_id = int(call.path["payment_id"])
    wrong = Complaints()
    scopes, rights = read_scopes(read_body(call, ScopedTokenIn).scope, wrong)
    wrong.raise_any()
    grant = await grant_payment_token(call.core, call.caller, payment_id, rights)
    expires_in = int(grant.life.total_seconds())
    return answer(ScopedTokenOut(token=grant.token, scope=scopes, expires_in=expires_in, id_payment=payment_id))


async def create_live_token(call: Call) -> Answer:
    """Give a token for the payer's browser, and the address that it opens there."""
    payment_id = int(call.path["payment_id"])
    grant = await grant_live_token(call.core, call.caller, payment_id)
    url = urljoin(call.base, f"/live/{payment_id}")  # live status is below no wire's prefix
    expires_in = int(grant.life.total_seconds())
    return answer(LiveTokenOut(token=grant.token, expires_in=expires_in, id_payment=payment_id, url=url))


def read_scopes(given: str | list[str] | None, wrong: Complaints) -> tuple[str, set[Right]]:
    """Return the scopes as one string in the order asked for (PU4), and the rights they are."""
    words = given.split() if isinstance(given, str) else list(given or ())
    wrong.need(words or None, "scope")
    if len(words) > SCOPES_MAX:
        wrong.add("scope", f"names at most {SCOPES_MAX} scopes")
    if any(word not in SCOPES for word in words):
        wrong.add("scope", "names an unknown scope")
    return " ".join(words), {SCOPES[word] for word in words if word in SCOPES}
