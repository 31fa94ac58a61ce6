"""The terms a payer agrees to before paying, where a merchant sets any. Other words are other terms."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.usecases import Core

CONTENT = "payment.terms.content"
VERSION = "payment.terms.version"
LANGUAGE = "payment.terms.language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A text to agree to; its id follows from its words."""

    terms_id: int
    version: str
    content: str
    language: str
    created_at: datetime


async def load_terms(core: Core, merchant_id: int) -> Terms | None:
    """Return the merchant's terms as they are now, or None when it sets none."""
    setting = await core.store.merchants.setting(merchant_id, CONTENT)
    if setting is None or not setting.value:
        return None
    settings = (await core.merchant(merchant_id)).settings
    terms_id = _number(setting.value)
    return Terms(
        terms_id=terms_id,
        version=settings.get(VERSION) or str(terms_id),
        content=setting.value,
        language=settings.get(LANGUAGE) or "en",
        created_at=setting.updated_at,
    )


async def has_accepted(core: Core, payment: Payment, terms: Terms) -> bool:
    """Whether the payer of this payment agreed to these very words."""
    return terms.terms_id in await core.store.payments.accepted_terms(payment.merchant_id, payment.payment_id)


async def terms_to_accept(core: Core, payment: Payment) -> Terms | None:
    """Return the terms that the payer of this payment has still to agree to, if there are any."""
    if not (await core.merchant(payment.merchant_id)).settings.get(CONTENT):
        return None
    terms = await load_terms(core, payment.merchant_id)
    return None if terms is None or await has_accepted(core, payment, terms) else terms


async def accept_terms(core: Core, payment: Payment, terms_id: int) -> None:
    """Record that the payer agreed; agreeing to what the merchant does not ask for is refused."""
    terms = await load_terms(core, payment.merchant_id)
    if terms_id != (terms.terms_id if terms else 0):
        raise Refused(Refusal.FIELD_INVALID, Complaint("id_terms", "names other terms than the present ones"))
    if terms:
        at = core.now(payment.merchant_id)
        await core.store.commit([core.store.payments.accept_terms(payment, terms_id, at)])


def _number(content: str) -> int:
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:4], "big") >> 1 or 1
