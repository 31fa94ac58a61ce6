"""Give out the token with which a browser follows one payment: read-only, short-lived, renewed by whoever holds it."""

from __future__ import annotations

from datetime import datetime, timedelta

from opengiro.domain.identifiers import mint_token
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Principal, Right
from opengiro.usecases import Core
from opengiro.usecases.grant_token import Grant

LIVE_LIFE = timedelta(minutes=15)


async def grant_live_token(core: Core, by: Principal, payment_id: int) -> Grant:
    """Give the application that made a payment a token for its customer's browser.

    One that a payment token asked for never outlives it.
    """
    payment = await core.payment(by.merchant_id, payment_id)
    if payment.client_id != by.client_id:
        raise Refused(Refusal.NOT_FOUND)
    return await _grant(core, payment, by.expires_at if by.payment_id is not None else None)


async def grant_page_token(core: Core, payment: Payment) -> Grant:
    """Give a token to a page that proved its right to the payment already, as a hosted one does by its session."""
    return await _grant(core, payment, None)


async def renew_live_token(core: Core, holder: Principal) -> Grant:
    """Give whoever holds a live token the next one, as long as there is something left to follow."""
    if holder.payment_id is None:
        raise Refused(Refusal.SCOPE_MISSING)
    payment = await core.payment(holder.merchant_id, holder.payment_id)
    if payment.final:
        raise Refused(Refusal.STATE_FORBIDS)
    return await _grant(core, payment, None)


async def _grant(core: Core, payment: Payment, until: datetime | None) -> Grant:
    now = core.now(payment.merchant_id)
    life = LIVE_LIFE if until is None else min(LIVE_LIFE, until - now)
    holder = Principal(
        merchant_id=payment.merchant_id,
        client_id=payment.client_id,  # the token dies with the application that made the payment
        rights=frozenset({Right.FOLLOW}),
        payment_id=payment.payment_id,
        expires_at=now + life,
    )
    token = mint_token(payment.merchant_id, core.chance(32))
    await core.store.commit([core.store.tokens.insert(token, holder)])
    return Grant(token, now + life, life)
