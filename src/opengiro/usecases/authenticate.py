"""Tell who is calling, from a bearer token or from an application's own credentials."""

from __future__ import annotations

import hmac

from opengiro.domain.identifiers import merchant_of_client
from opengiro.domain.merchants import Application
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Principal, Right
from opengiro.usecases import Core


async def authenticate(core: Core, token: str | None) -> Principal:
    """Return whom the token stands for; unknown, revoked and expired tokens look alike."""
    if not token:
        raise Refused(Refusal.TOKEN_MISSING)
    principal = await core.store.tokens.load(token)
    if principal is None:
        raise Refused(Refusal.TOKEN_INVALID)
    if principal.expires_at and principal.expires_at <= core.now(principal.merchant_id):
        raise Refused(Refusal.TOKEN_INVALID)
    return principal


async def authenticate_application(core: Core, client_id: str, secret: str) -> Application:
    """Return the application these credentials belong to; which of the two is wrong is not told."""
    merchant_id = merchant_of_client(client_id)
    application = merchant_id and await core.store.applications.load(merchant_id, client_id)
    # The comparison also runs for an unknown client, so that timing does not tell which clients exist.
    expected = application.secret_hash if application else bytes(32)
    right = hmac.compare_digest(core.store.vault.fingerprint(secret), expected)
    if not application or not right:
        raise Refused(Refusal.CREDENTIALS_WRONG)
    return application


def require(principal: Principal, *rights: Right, payment_id: int | None = None) -> None:
    """Refuse unless the caller holds one of the rights, and not for another payment than its own."""
    if principal.payment_id is not None and principal.payment_id != payment_id:
        raise Refused(Refusal.NOT_FOUND if payment_id is not None else Refusal.SCOPE_MISSING)
    if not any(principal.may(right) for right in rights):
        raise Refused(Refusal.SCOPE_MISSING)
