"""Swap a payment token for a checkout session, so that the token appears in one URL only, and find it again."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opengiro.domain.attempt import Attempt
from opengiro.domain.identifiers import mint_token
from opengiro.domain.lifecycle import State
from opengiro.domain.merchants import Merchant
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Right
from opengiro.store.tokens import Session
from opengiro.usecases import Core
from opengiro.usecases.accept_terms import Terms, terms_to_accept
from opengiro.usecases.ask_bank import load_standing
from opengiro.usecases.authenticate import authenticate, require

_HANDLE = re.compile(r"([0-9a-f]{1,15})-.", re.ASCII)
_SESSION_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckout:
    """What the link said; a `redirect_uri` of None means the payment's own."""

    token: str
    payment_id: int
    client_id: str | None
    dialect: str
    redirect_uri: str | None = None
    client_state: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """A new session: its public handle goes into the URL, its secret into a cookie."""

    handle: str
    secret: str
    merchant_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Everything a hosted page shows."""

    session: Session
    merchant: Merchant
    payment: Payment
    attempt: Attempt | None
    now: datetime
    terms: Terms | None = None  #: what the payer has still to agree to
    paid_before: bool = False  #: whether a recurring payment may have moved money on one of its dates


async def open_checkout(core: Core, command: OpenCheckout) -> OpenedCheckout:
    """Open a session for whoever holds the payment's token; raises `Refused`, and then nobody is redirected."""
    principal = await authenticate(core, command.token)
    require(principal, Right.VALIDATE, payment_id=command.payment_id)
    payment = await core.payment(principal.merchant_id, command.payment_id)
    application = await core.store.applications.load(payment.merchant_id, payment.client_id)
    if command.client_id is not None and command.client_id != payment.client_id:
        raise Refused(Refusal.NOT_FOUND)
    redirect_uri = command.redirect_uri or payment.redirect_uri
    if application is None or not application.may_redirect_to(redirect_uri):
        raise Refused(Refusal.REDIRECT_UNREGISTERED)
    return await _open(core, payment, replace(command, redirect_uri=redirect_uri))


async def open_link(core: Core, code: str) -> OpenedCheckout:
    """Open a session for whoever holds a payment's link, however the payment stands; raises `Refused`."""
    found = await core.store.links.find(code)
    if found is None:
        raise Refused(Refusal.NOT_FOUND)
    payment = await core.payment(*found)
    command = OpenCheckout(token="", payment_id=payment.payment_id, client_id=None, dialect=payment.dialect)
    return await _open(core, payment, command)


async def open_elsewhere(core: Core, merchant_id: int, payment_id: int, handle: str | None) -> OpenedCheckout:
    """Open a session on another device for a payer who proved that it is theirs, with the same way back to the shop."""
    payment = await core.payment(merchant_id, payment_id)
    first = await core.store.sessions.load(merchant_id, handle) if handle else None
    command = OpenCheckout(
        token="",
        payment_id=payment_id,
        client_id=None,
        dialect=first.dialect if first else payment.dialect,
        redirect_uri=first.redirect_uri if first else None,
        client_state=first.client_state if first else None,
    )
    return await _open(core, payment, command)


async def load_checkout(core: Core, handle: str, secret: str | None) -> Checkout:
    """Return the checkout of this browser; a missing, wrong or old secret is `TOKEN_INVALID`."""
    session = await _session(core, handle)
    if session is None:
        raise Refused(Refusal.NOT_FOUND)
    if not hmac.compare_digest(core.store.vault.fingerprint(secret or ""), session.secret_hash):
        raise Refused(Refusal.TOKEN_INVALID)
    if session.expires_at <= core.now(session.merchant_id):
        raise Refused(Refusal.TOKEN_INVALID)
    return await show_checkout(core, session)


async def show_checkout(core: Core, session: Session) -> Checkout:
    """Return what the pages show of a session that was proven, or of a payment found by a return ticket."""
    standing = await load_standing(core, session.merchant_id, session.payment_id)
    return Checkout(
        session=session,
        merchant=await core.merchant(session.merchant_id),
        payment=standing.payment,
        attempt=standing.attempt,
        now=core.now(session.merchant_id),
        terms=await terms_to_accept(core, standing.payment),
        paid_before=await _paid_before(core, standing.payment),
    )


async def _paid_before(core: Core, payment: Payment) -> bool:
    if payment.recurrence is None:
        return False
    counts = await core.store.occurrences.counts(payment.merchant_id, payment.payment_id)
    return any(counts.get(state) for state in (State.ACCEPTED, State.DONE))


async def look_at_link(core: Core, code: str) -> Checkout:
    """Return what a link's payment shows, without opening a session; raises `Refused`."""
    found = await core.store.links.find(code)
    if found is None:
        raise Refused(Refusal.NOT_FOUND)
    payment = await core.payment(*found)
    now = core.now(payment.merchant_id)
    nobodys = Session(
        merchant_id=payment.merchant_id,
        handle="",
        secret_hash=b"",
        payment_id=payment.payment_id,
        dialect=payment.dialect,
        language=None,
        redirect_uri=None,
        client_state=None,
        expires_at=now,
    )
    return await show_checkout(core, nobodys)


async def _open(core: Core, payment: Payment, command: OpenCheckout) -> OpenedCheckout:
    secret = mint_token(payment.merchant_id, core.chance(32))
    handle = f"{payment.merchant_id:x}-{urlsafe_b64encode(core.chance(12)).decode()}"
    session = Session(
        merchant_id=payment.merchant_id,
        handle=handle,
        secret_hash=core.store.vault.fingerprint(secret),
        payment_id=payment.payment_id,
        dialect=command.dialect,
        language=command.language,
        redirect_uri=command.redirect_uri,
        client_state=command.client_state,
        expires_at=core.now(payment.merchant_id) + _SESSION_LIFE,
    )
    await core.store.commit([core.store.sessions.insert(session)])
    return OpenedCheckout(handle, secret, payment.merchant_id)


async def _session(core: Core, handle: str) -> Session | None:
    found = _HANDLE.match(handle)
    return await core.store.sessions.load(int(found[1], 16), handle) if found else None
