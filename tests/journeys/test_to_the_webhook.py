"""From a token to a signed webhook: every sandbox bank's story over HTTP, on a clock that moves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.sandbox.tpp import Bank, Payer
from tests.server import REDIRECT_URI, House
from tests.workers.sink import Request, Sink, answer, sink

DE_IBAN = "DE77200995000142961871"


async def until(look: Callable[[], bool]) -> None:
    """Wait for something to become true; what never does fails the test."""
    async with asyncio.timeout(15):
        while True:
            if look():
                return
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Ear:
    """The shop's webhook endpoint and the secret it verifies by."""

    sink: Sink
    secret: str

    def events(self, payment_id: int) -> list[dict[str, Any]]:
        """What was heard of a payment, verified, in the order of arrival."""
        bodies = [self.verified(request) for request in self.sink.requests]
        return [body for body in bodies if body["id"] == payment_id]

    def verified(self, request: Request) -> dict[str, Any]:
        """Check a delivery as the wire's own guide says, and read it."""
        method, path, _ = request.line.split(" ")
        signed = b".".join(
            [method.encode(), path.encode(), request.headers["bi-signature-date"].encode(), request.body]
        )
        expected = base64.b64encode(hmac.digest(self.secret.encode(), signed, hashlib.sha256)).decode()
        assert hmac.compare_digest(request.headers["bi-signature"], expected)
        body: dict[str, Any] = json.loads(request.body)
        return body

    async def hears(self, payment_id: int, *states: str) -> list[dict[str, Any]]:
        """Return the events of a payment once these states, and no others, were heard in this order."""
        await until(lambda: len(self.events(payment_id)) >= len(states))
        events = self.events(payment_id)
        assert [event["state"] for event in events] == list(states)
        assert [event["sequence"] for event in events] == list(range(1, len(states) + 1))
        assert len({event["id_webhook_data"] for event in events}) == len(states)
        return events


@asynccontextmanager
async def listening(house: House, behave: Any = None) -> AsyncIterator[Ear]:
    """Register a signed webhook at a real receiver."""
    config = house.credentials.config_token
    async with sink(behave) as receiver:
        made = await house.call("POST", "/webhooks/auth", {"type": "hmac_signature", "name": "shop"}, token=config)
        auth = made.json()
        hook = {"url": receiver.url, "event": "PAYMENT_STATE_UPDATED", "id_auth": auth["id"]}
        assert (await house.call("POST", "/webhooks", hook, token=config)).status_code < 300
        yield Ear(receiver, auth["config"]["secret_key"])


def uuid_of(house: House, code: str) -> str:
    return next(bank.bank_id for bank in house.core.store.banks.all() if bank.slug == code)


def at_bank(house: House, code: str, link: str) -> Payer:
    bank = Bank(f"{house.base_url}/sandbox", code, httpx2.Client(trust_env=False), lambda method, path, answer: None)
    return Payer(bank, link)


async def decide(
    house: House, code: str, payment: dict[str, Any], decision: str = "approve", account: str = "everyday"
) -> None:
    """Go through the bank's pages and follow its link back."""
    payer = at_bank(house, code, payment["validate_uri"])
    back = await asyncio.to_thread(payer.go_through, decision, account)
    assert (await house.http.get(back, follow_redirects=False)).status_code in {200, 302, 303}


async def validated(house: House, code: str, kind: str = "instant", **more: Any) -> dict[str, Any]:
    payment = await house.pay(kind=kind)
    return await house.validate(payment["id"], uuid_of(house, code), **more)


@pytest.mark.parametrize("code", ["horizon", "zwin", "laguna"])
async def test_an_instant_payment_is_done_when_its_payer_comes_back(house: House, code: str) -> None:
    async with listening(house) as ear:
        payment = await validated(house, code)
        await decide(house, code, payment)
        events = await ear.hears(payment["id"], "validating", "done")
    assert (await house.call("GET", f"/payments/{payment['id']}")).json()["state"] == "done"
    assert events[-1]["instructions"][0]["reference_id"] == payment["instructions"][0]["reference_id"]


@pytest.mark.parametrize("code", ["horizon", "polder"])
async def test_a_transfer_is_pending_until_its_bank_has_executed_it(house: House, code: str) -> None:
    async with listening(house) as ear:
        payment = await validated(house, code, "first_open_day")
        await decide(house, code, payment)
        await house.settle(payment["id"], "pending")
        await house.move(timedelta(days=4))
        await ear.hears(payment["id"], "validating", "pending", "done")


async def test_a_bank_that_needs_the_payers_account_is_given_it(house: House) -> None:
    async with listening(house) as ear:
        payer = {"scheme_name": "iban", "identification": DE_IBAN}
        payment = await validated(house, "nordlicht", payer=payer)
        await decide(house, "nordlicht", payment)
        await ear.hears(payment["id"], "validating", "done")


async def test_a_phone_approves_while_the_shop_waits(house: House) -> None:
    async with listening(house) as ear:
        payment = await validated(house, "mercure")
        assert (payment["action"], payment["validate_uri"]) == ("decoupled", None)
        await house.move(timedelta(seconds=30))
        await ear.hears(payment["id"], "validating", "done")


async def test_a_bank_that_never_reports_the_end_leads_to_accepted(house: House) -> None:
    async with listening(house) as ear:
        payment = await validated(house, "brume")
        await decide(house, "brume", payment)
        await house.settle(payment["id"], "pending")
        await house.move(timedelta(minutes=10))
        await ear.hears(payment["id"], "validating", "pending", "accepted")


@pytest.mark.parametrize(
    ("decision", "account", "code"),
    [
        ("refuse", "everyday", "CancelledByUser"),
        ("approve", "nearly_empty", "insufficientFunds"),
        ("approve", "blocked", "invalidEmitter"),
    ],
)
async def test_what_the_bank_refuses_is_rejected_with_its_reason(
    house: House, decision: str, account: str, code: str
) -> None:
    async with listening(house) as ear:
        payment = await validated(house, "horizon")
        await decide(house, "horizon", payment, decision, account)
        *_, last = await ear.hears(payment["id"], "validating", "rejected")
    assert last["error_code"] == code


async def test_a_bank_that_is_down_rejects_at_once(house: House) -> None:
    async with listening(house) as ear:
        payment = await validated(house, "orage")
        assert payment["state"] == "rejected"
        (event,) = await ear.hears(payment["id"], "rejected")
    assert event["error_code"] == payment["error_code"]


async def test_a_payment_nobody_pays_expires(house: House) -> None:
    async with listening(house) as ear:
        payment = await house.pay()
        await house.move(timedelta(days=31))
        await ear.hears(payment["id"], "expired")


def deferred(house: House, days: int) -> dict[str, Any]:
    return {
        "label": "Rent",
        "amount": 50.90,
        "currency": "EUR",
        "execution_date_type": "deferred",
        "execution_date": (house.now() + timedelta(days=days)).date().isoformat(),
        "beneficiary": {"scheme_name": "iban", "identification": "FR7630006000011234567890189", "label": "Shop"},
    }


async def test_a_deferred_payment_is_executed_on_its_day_and_not_before(house: House) -> None:
    async with listening(house) as ear:
        payment = await house.pay(instructions=[deferred(house, 10)])
        payment = await house.validate(payment["id"], uuid_of(house, "horizon"))
        await decide(house, "horizon", payment)
        await house.settle(payment["id"], "pending")
        await house.move(timedelta(days=8))
        await ear.hears(payment["id"], "validating", "pending")
        await house.move(timedelta(days=3))
        await ear.hears(payment["id"], "validating", "pending", "done")


async def test_a_deferred_payment_is_cancelled_once_its_payer_approves_that(house: House) -> None:
    async with listening(house) as ear:
        payment = await house.pay(instructions=[deferred(house, 10)])
        payment = await house.validate(payment["id"], uuid_of(house, "horizon"))
        await decide(house, "horizon", payment)
        await house.settle(payment["id"], "pending")
        body = {"cancel": True, "client_redirect_uri": REDIRECT_URI, "client_state": "c-1"}
        cancelling = (await house.call("POST", f"/payments/{payment['id']}", body)).json()
        assert cancelling["state"] == "pending"
        await asyncio.to_thread(at_bank(house, "horizon", cancelling["validate_uri"]).log_in)
        await asyncio.to_thread(at_bank(house, "horizon", cancelling["validate_uri"]).decide, "approve")
        await house.move(timedelta(days=1))
        await ear.hears(payment["id"], "validating", "pending", "rejected")


async def test_a_receiver_that_fails_gets_everything_later_in_order(house: House) -> None:
    async with listening(house, answer(503)) as ear:
        payment = await validated(house, "horizon")
        await decide(house, "horizon", payment)
        await house.settle(payment["id"], "done")
        await until(lambda: bool(ear.sink.requests))
        failed = len(ear.sink.requests)
        ear.sink.behave = answer(200)
        await house.move(timedelta(hours=3))
        await until(lambda: [one["state"] for one in ear.events(payment["id"])[failed:]] == ["validating", "done"])
    first = [request for request in ear.sink.requests if json.loads(request.body)["sequence"] == 1]
    assert len({request.body for request in first}) == len({request.headers["webhook-id"] for request in first}) == 1


async def test_many_payments_at_once_are_each_told_in_order(house: House) -> None:
    async with listening(house) as ear:
        payments = await asyncio.gather(*(house.pay(f"pdng/done - {number}") for number in range(20)))
        await asyncio.gather(*(house.validate(payment["id"]) for payment in payments))
        await house.move(timedelta(minutes=1))
        for payment in payments:
            await ear.hears(payment["id"], "validating", "pending", "done")


async def test_the_return_link_leads_back_to_where_the_shop_said(house: House) -> None:
    payment = await validated(house, "horizon")
    payer = at_bank(house, "horizon", payment["validate_uri"])
    back = await asyncio.to_thread(payer.go_through, "approve")
    response = await house.http.get(back, follow_redirects=False)
    target = response.headers.get("location") or response.text
    assert urlsplit(REDIRECT_URI).netloc in target
