"""Deliver events to endpoints: claim what is due, fix the bytes once, send them signed, keep what came of it.

1. A claim is committed before anything leaves, with a lease in real time and a fence.
2. The first attempt renders the body and commits it, so every retry sends the same bytes under the same id.
3. The request goes out; no transaction is open meanwhile.
4. The outcome is committed under the fence: whoever lost the lease saves nothing.
A crash between 3 and 4 sends the same bytes again under the same id; receivers know it by that.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opengiro import __version__
from opengiro.domain.clock import to_us
from opengiro.domain.deliveries import (
    About,
    Delivery,
    DeliveryTry,
    Failure,
    Outcome,
    Resource,
    Secret,
    Stage,
    Topic,
    Verdict,
    message_id,
    plan_verdict,
)
from opengiro.domain.lifecycle import is_news
from opengiro.domain.signing import signed_headers
from opengiro.store import Conflict, Write
from opengiro.store.payments import as_of

if TYPE_CHECKING:
    from opengiro.domain.deliveries import Webhook
    from opengiro.domain.merchants import Merchant
    from opengiro.domain.occurrence import Occurrence, OccurrenceMove
    from opengiro.domain.payment import Move, Payment
    from opengiro.store.webhooks import Endpoint
    from opengiro.usecases import Core

LEASE = timedelta(seconds=40)
"""Longer than an attempt can take, deadline and both commits."""
_ID_TRIES = 4
_COMPRESSION = "webhooks.compression.enabled"


class TooLate(Exception):
    """We were frozen or starved until our claim ended, and nothing left; whoever claims it now sends it."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a dialect renders: the payment as it stood right after the move, and the ids it prints."""

    merchant: Merchant
    payment: Payment
    move: Move | OccurrenceMove
    data_id: int
    sequence: int  #: counts the events of what it tells of from 1 without gaps; a creation, move 0, is no event
    resource: Resource | None = None  #: what it tells of, where one move makes several events
    occurrence: Occurrence | None = None  #: the one it tells of


Render = Callable[[Event], bytes]
Send = Callable[[str, Mapping[str, str], bytes, datetime], Awaitable[Outcome]]
"""Takes URL, headers, body and until when, in real time, the request may leave; raises `TooLate`."""


class Facts:
    """What events claimed together are told from: each is read once, however many endpoints hear of it."""

    def __init__(self, core: Core) -> None:
        """Read nothing yet."""
        self._core = core
        self._merchants: dict[int, asyncio.Future[Merchant]] = {}
        self._payments: dict[tuple[int, int], asyncio.Future[tuple[Payment, list[Move]]]] = {}

    async def merchant(self, merchant_id: int) -> Merchant:
        """Return a merchant."""
        if merchant_id not in self._merchants:
            self._merchants[merchant_id] = asyncio.ensure_future(self._core.merchant(merchant_id))
        return await asyncio.shield(self._merchants[merchant_id])

    async def payment(self, merchant_id: int, payment_id: int) -> tuple[Payment, list[Move]]:
        """Return a payment and its history."""
        key = (merchant_id, payment_id)
        if key not in self._payments:
            payment, moves = self._core.payment(*key), self._core.store.payments.moves(*key)
            self._payments[key] = asyncio.gather(payment, moves)
        return await asyncio.shield(self._payments[key])


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until its lease ends."""

    endpoint: Endpoint
    delivery: Delivery
    until: datetime  #: when its lease ends, in real time
    facts: Facts

    @property
    def webhook(self) -> Webhook:
        """Where it goes."""
        return self.endpoint.webhook


async def claim_deliveries(core: Core, slots: Callable[[Webhook], int]) -> list[Claim]:
    """Claim what is due, for each endpoint at most as many as `slots` says it has room for."""
    real = core.clock.real()
    due = await core.store.webhooks.due(to_us(real))
    endpoints = {(one.webhook.merchant_id, one.webhook.webhook_id): one for one in due}
    wanted = [(one.webhook, core.now(one.webhook.merchant_id), room) for one in due if (room := slots(one.webhook)) > 0]
    if not wanted:
        return []
    door = core.store.deliveries
    results = await core.store.commit(door.claim(wanted, real + LEASE))
    claimed = [delivery for rows in results for delivery in door.claimed(rows)]
    facts = Facts(core)
    return [Claim(endpoints[one.merchant_id, one.webhook_id], one, real + LEASE, facts) for one in claimed]


async def deliver_event(core: Core, claim: Claim, render: Render, send: Send) -> Outcome | None:
    """Make one attempt; returns None when the claim was lost, and then nothing was saved."""
    try:
        delivery = await _fix_body(core, claim, render)
        merchant = await claim.facts.merchant(delivery.merchant_id)
        headers, sent = _request(core, claim.endpoint, delivery, merchant)
        outcome = await send(claim.webhook.url, headers, sent, claim.until)
        await _keep(core, replace(claim, delivery=delivery), headers, outcome)
    except (Conflict, TooLate):
        return None
    return outcome


async def note_malfunction(core: Core, claim: Claim) -> None:
    """Keep that we could not make an attempt ourselves, so that it is retried like any other and parked in the end."""
    now = core.now(claim.webhook.merchant_id)
    outcome = Outcome(failure=Failure.INTERNAL)
    verdict = plan_verdict(claim.delivery, outcome, now, _jitter(core), claim.webhook.retries)
    tried = DeliveryTry(attempt=claim.delivery.attempts + 1, at=now, request_headers=(), outcome=outcome)
    await core.store.commit(core.store.deliveries.settle(claim.delivery, verdict, tried))


async def _fix_body(core: Core, claim: Claim, render: Render) -> Delivery:
    if claim.delivery.body is not None:
        return claim.delivery
    for turn in range(_ID_TRIES):
        merchant_id = claim.delivery.merchant_id
        data_id = core.ids.draw(core.now(merchant_id), core.chance(2))
        body = render(await _event(core, claim, data_id))
        delivery = replace(claim.delivery, data_id=data_id, body=body)
        try:
            await core.store.commit([core.store.deliveries.save_body(delivery)])
        except Conflict:
            # The same id drawn twice within a millisecond is worth another try; a lost claim stays lost.
            if turn == _ID_TRIES - 1:
                raise
            continue
        return delivery
    raise RuntimeError("unreachable: the last turn returns or raises")


async def _event(core: Core, claim: Claim, data_id: int) -> Event:
    delivery, about = claim.delivery, claim.delivery.about
    payment, moves = await claim.facts.payment(delivery.merchant_id, delivery.payment_id)
    merchant = await claim.facts.merchant(delivery.merchant_id)
    if about and about.occurrence is not None:
        return await _occurrence_event(core, merchant, payment, about, data_id)
    if about is None:
        moved = moves[delivery.ordinal]
        return Event(merchant, as_of(payment, moved), moved, data_id, moved.ordinal)
    moved = moves[about.ordinal]
    return Event(merchant, as_of(payment, moved), moved, data_id, _news(moves, about), about.resource)


async def _occurrence_event(core: Core, merchant: Merchant, payment: Payment, about: About, data_id: int) -> Event:
    door, key = core.store.occurrences, (payment.merchant_id, payment.payment_id)
    ordinal = about.occurrence or 0
    (occurrence,) = await door.of_payment(*key, ordinal - 1, 1)
    moves = await door.moves(*key, ordinal)
    moved = moves[about.ordinal]
    return Event(merchant, payment, moved, data_id, _news(moves, about), about.resource, occurrence)


def _news(moves: Sequence[Move | OccurrenceMove], about: About) -> int:
    return sum(is_news(moved.origin, moved.target) for moved in moves[: about.ordinal + 1])


def _request(core: Core, endpoint: Endpoint, delivery: Delivery, merchant: Merchant) -> tuple[dict[str, str], bytes]:
    body, data_id = delivery.body or b"", delivery.data_id or 0
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"OpenGiro/{__version__}",
        "Accept": "*/*",
    } | signed_headers(
        _valid(endpoint.secrets, core.now(merchant.merchant_id)),
        method="POST",
        path=urlsplit(endpoint.webhook.url).path or "/",
        message_id=message_id(data_id),
        body=body,
        # Receivers hold the date against their own clocks, which nobody moved.
        now=core.clock.real(),
        attempt=delivery.attempts + 1,
        standard_only=endpoint.webhook.topic is Topic.STATUS_CHANGED,
    )
    if merchant.settings.get(_COMPRESSION) == "1" and endpoint.webhook.topic is Topic.PAYMENT_MOVED:
        return headers | {"Content-Encoding": "gzip"}, gzip.compress(body, mtime=0)
    return headers, body


def _valid(secrets: tuple[Secret, ...], now: datetime) -> list[str]:
    return [secret.text for secret in secrets if secret.until is None or secret.until > now]


async def _keep(core: Core, claim: Claim, headers: Mapping[str, str], outcome: Outcome) -> None:
    now = core.now(claim.webhook.merchant_id)
    verdict = plan_verdict(claim.delivery, outcome, now, _jitter(core), claim.webhook.retries)
    tried = DeliveryTry(
        attempt=claim.delivery.attempts + 1,
        at=now,
        request_headers=tuple(headers.items()),
        outcome=replace(outcome, headers=_scrubbed(outcome.headers)),
    )
    if verdict.stage is Stage.DELIVERED:
        await _keep_success(core, claim, verdict, tried)
    else:
        async with core.failures:  # endpoints that hang fail in numbers, and nobody waits for what is saved of it
            await _keep_failure(core, claim, verdict, tried)


async def _keep_success(core: Core, claim: Claim, verdict: Verdict, tried: DeliveryTry) -> None:
    deliveries = core.store.deliveries
    writes = deliveries.settle(claim.delivery, verdict, tried)
    if claim.webhook.streak.failures:
        writes.append(core.store.webhooks.forgive(claim.webhook))
    await core.store.commit([*writes, *deliveries.revive(claim.endpoint, tried.at)])


async def _keep_failure(core: Core, claim: Claim, verdict: Verdict, tried: DeliveryTry) -> None:
    webhooks, outcome = core.store.webhooks, tried.outcome
    writes: list[Write] = core.store.deliveries.settle(claim.delivery, verdict, tried)
    if outcome.gone:
        writes.append(webhooks.disable(claim.webhook, tried.at))
    writes.append(webhooks.count_failure(claim.webhook, timed_out=outcome.failure is Failure.TIMEOUT))
    *_, (row,) = await core.store.commit(writes)
    pause = webhooks.streak_of(row).pause(_jitter(core), outcome.asked_pause)
    if pause is not None:
        await core.store.commit([webhooks.pause(claim.webhook, tried.at, tried.at + pause)])


def _scrubbed(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, "***" if name in _SECRET_HEADERS else value) for name, value in headers)


_SECRET_HEADERS = frozenset({"set-cookie", "authorization", "proxy-authenticate", "www-authenticate"})


def _jitter(core: Core) -> float:
    return int.from_bytes(core.chance(2), "big") / 65536
