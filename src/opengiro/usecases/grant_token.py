"""Give out tokens: for an application, and narrower ones for a single payment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opengiro.domain.identifiers import mint_token
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import FOR_ONE_PAYMENT, Principal, Right
from opengiro.usecases import Core
from opengiro.usecases.authenticate import authenticate_application

SERVICE_LIFE = timedelta(minutes=30)
PAYMENT_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, shown this once, and until when it is good."""

    token: str
    expires_at: datetime
    life: timedelta


async def grant_service_token(core: Core, client_id: str, secret: str, rights: Iterable[Right]) -> Grant:
    """Give an application a token that lives half an hour."""
    application = await authenticate_application(core, client_id, secret)
    return await _grant(core, application.merchant_id, application.client_id, frozenset(rights), None, SERVICE_LIFE)


async def grant_payment_token(core: Core, by: Principal, payment_id: int, rights: Iterable[Right]) -> Grant:
    """Give a token for one payment; one minted by such a token is never wider and never outlives it.

    Once the payment is final nothing is left to do with it, so a token for it mints no more.
    """
    wanted = frozenset(rights)
    if not wanted <= FOR_ONE_PAYMENT:
        raise Refused(Refusal.SCOPE_NOT_GRANTABLE)
    if not all(by.may(right) for right in wanted):
        raise Refused(Refusal.SCOPE_MISSING)
    payment = await core.payment(by.merchant_id, payment_id)
    if payment.client_id != by.client_id:
        raise Refused(Refusal.NOT_FOUND)
    if by.payment_id is not None and payment.final:
        raise Refused(Refusal.SCOPE_MISSING)
    life = PAYMENT_LIFE
    if by.payment_id is not None and by.expires_at is not None:
        life = min(life, by.expires_at - core.now(by.merchant_id))
    return await _grant(core, by.merchant_id, by.client_id, wanted, payment_id, life)


async def grant_configuration_token(core: Core, merchant_id: int) -> str:
    """Give a merchant's operator a token without end for settings, applications and webhooks."""
    token = mint_token(merchant_id, core.chance(32))
    holder = Principal(merchant_id=merchant_id, client_id=None, rights=frozenset({Right.CONFIGURE}))
    await core.store.commit([core.store.tokens.insert(token, holder)])
    return token


async def _grant(
    core: Core,
    merchant_id: int,
    client_id: str | None,
    rights: frozenset[Right],
    payment_id: int | None,
    life: timedelta,
) -> Grant:
    token = mint_token(merchant_id, core.chance(32))
    expires = core.now(merchant_id) + life
    holder = Principal(
        merchant_id=merchant_id, client_id=client_id, rights=rights, payment_id=payment_id, expires_at=expires
    )
    await core.store.commit([core.store.tokens.insert(token, holder)])
    return Grant(token, expires, life)
