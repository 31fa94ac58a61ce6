"""A house that was lived in: both wires, payments in many states, dates that recur, webhooks heard and unheard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from opengiro.usecases.change_settings import change_settings
from tests.banq import Banq, move_in
from tests.journeys.standing import Merchant
from tests.server import Credentials, House, until
from tests.workers.sink import Sink, answer, sink

STATES = {"done", "rejected", "expired", "pending", "validating", "created"}


@dataclass(slots=True)
class Lived:
    """What the story left behind: ids of payments by state, and who hears of them."""

    credentials: Credentials
    payments: dict[str, int]
    recurring: int
    banq: Banq
    linked: dict[str, Any]
    ear: Sink
    deaf: Sink


@asynccontextmanager
async def ears() -> AsyncIterator[tuple[Sink, Sink]]:
    """Two endpoints: one hears, the other refuses everything."""
    async with sink() as ear, sink(answer(500)) as deaf:
        yield ear, deaf


async def live_in(house: House, ear: Sink, deaf: Sink) -> Lived:
    """Let merchants and payers do what they do."""
    await change_settings(house.core, 1, {"payment.periodic.enabled": "1"}, "test")
    config = house.credentials.config_token
    auth = (await house.call("POST", "/webhooks/auth", {"type": "hmac_signature", "name": "s"}, token=config)).json()
    for receiver in (ear, deaf):
        hook = {"url": receiver.url, "event": "PAYMENT_STATE_UPDATED", "id_auth": auth["id"]}
        await house.call("POST", "/webhooks", hook, token=config)
    forgotten = (await house.pay("Forgotten"))["id"]
    await house.move(timedelta(days=31))
    await house.settle(forgotten, "expired")
    recurring = await _recurring(house)
    payments = {"expired": forgotten, **await _powens(house)}
    banq = await move_in(house, house.stranger, "theatre")
    await banq.hear(ear)
    linked = await banq.get_paid()
    paid = await banq.get_paid(externalOrderCode="order-78")
    await banq.pay(paid)
    await until(lambda: _heard(ear, str(paid["guid"])), within_s=20)
    return Lived(house.credentials, payments, recurring, banq, linked, ear, deaf)


async def _powens(house: House) -> dict[str, int]:
    found: dict[str, int] = {}
    for state, label in (("done", "done - kites"), ("rejected", "rjct - kites")):
        found[state] = (await house.pay(label))["id"]
        await house.validate(found[state])
        await house.settle(found[state], "done", "rejected")
    found["pending"] = (await house.pay("Flour", kind="first_open_day"))["id"]
    found["validating"] = (await house.pay("Sugar"))["id"]
    for state in ("pending", "validating"):
        validated = await house.validate(found[state], _bank(house, "horizon"))
        if state == "pending":
            await Merchant(house).approve(validated["validate_uri"])
    await house.settle(found["pending"], "pending")
    headers = {"authorization": f"Bearer {await house.token()}", "idempotency-key": "order-1"}
    body = {"client_redirect_uri": "https://shop.test/callback", "instructions": []}
    await house.http.post(f"{house.api}/payments", headers=headers, json=body)
    found["created"] = (await house.pay("Salt"))["id"]
    await house.scoped(found["created"])
    return found


async def _recurring(house: House) -> int:
    shop = Merchant(house)
    payment_id = await shop.agree((house.now() + timedelta(days=1)).date().isoformat(), "daily")
    await shop.consent(payment_id)
    await house.move(timedelta(days=3))

    async def due() -> bool:
        return len(await shop.occurrences(payment_id)) >= 3

    await until(due, within_s=20)
    return payment_id


async def _heard(ear: Sink, name: str) -> bool:
    await asyncio.sleep(0)
    return any(name.encode() in request.body for request in ear.requests)


def _bank(house: House, slug: str) -> str:
    return next(bank.bank_id for bank in house.core.store.banks.all() if bank.slug == slug)
