"""Hand a checkout over to another device: offer a claim, and open the payment for whoever brings it first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from opengiro.domain.claims import Claim, claim_code, claim_secret, typed_code
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core
from opengiro.usecases.open_checkout import OpenedCheckout, open_elsewhere

CLAIM_LIFE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the other device needs: a secret for its camera, or the same claim as a code to type."""

    secret: str
    code: str
    life: timedelta


async def offer_claim(core: Core, payment: Payment, handle: str | None = None) -> Offer:
    """Offer a payment to another device; earlier offers stay good until they lapse, as somebody may be scanning one."""
    secret, code = claim_secret(core.chance(16)), claim_code(core.chance(8))
    now = core.now(payment.merchant_id)
    claim = Claim(
        merchant_id=payment.merchant_id,
        claim_id=core.store.vault.fingerprint(secret),
        payment_id=payment.payment_id,
        handle=handle,
        expires_at=now + CLAIM_LIFE,
    )
    await core.store.commit(core.store.claims.insert(claim, (secret, code), now))
    return Offer(secret, code, CLAIM_LIFE)


async def take_claim(core: Core, secret: str) -> OpenedCheckout:
    """Open the checkout for whoever scanned a code first; a used, old or invented one is `NOT_FOUND`."""
    claim = await core.store.claims.find(secret)
    if claim is None:
        raise Refused(Refusal.NOT_FOUND)
    try:
        await core.store.commit([core.store.claims.take(claim, core.now(claim.merchant_id))])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None
    opened = await open_elsewhere(core, claim.merchant_id, claim.payment_id, claim.handle)
    core.bell.ring(claim.merchant_id, claim.payment_id)
    return opened


async def take_typed_claim(core: Core, typed: str, visitor: str) -> OpenedCheckout:
    """Open the checkout for whoever typed its code; `visitor`, an address, has few tries."""
    wait = core.logins.enter(core.store.vault.index(f"claims of {visitor}"), core.clock.real())
    if wait is not None:
        raise Refused(Refusal.TOO_MANY_REQUESTS, wait_s=int(wait.total_seconds()) + 1)
    code = typed_code(typed)
    if code is None:
        raise Refused(Refusal.NOT_FOUND)
    return await take_claim(core, code)
