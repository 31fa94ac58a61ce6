"""Errands as the core would send connectors on, and what the core keeps between two of them."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import Bank, Errand, Heard, Order
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution

NOON = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
PAYEE = Account(Scheme.IBAN, "FR7630006000011234567890189", "Maison Amarante SAS")
TICKET = "tick-et_0123456789"


def order(**changes: Any) -> Order:
    """An order of 50.90 euros, instant unless told otherwise."""
    usual: dict[str, Any] = {
        "amount": Money(5090, "EUR"),
        "payee": PAYEE,
        "label": "Order 1001",
        "reference_id": "ORDER-1001",
        "execution": Execution.INSTANT,
        "requested_date": None,
        "payer": None,
    }
    return Order(**usual | changes)


def deferred(day: date) -> Order:
    return order(execution=Execution.DEFERRED, requested_date=day)


def errand(*orders: Order, base_url: str = "", connector: str = "berlin_group", **changes: Any) -> Errand:
    """A fresh attempt; `bank` fields and errand fields may both be changed by name."""
    on_bank = {name: changes.pop(name) for name in ("decoupled", "profile") if name in changes}
    usual: dict[str, Any] = {
        "bank": Bank(
            bank_id="0", number=1, name="A bank", connector=connector, countries=("FR",), base_url=base_url, **on_bank
        ),
        "orders": orders or (order(),),
        "request_id": str(uuid.uuid4()),
        "return_url": f"https://pay.example/return/{TICKET}",
        "own_url": "https://pay.example",
        "started_at": NOON,
        "now": NOON,
        "payer_ip": "192.0.2.7",
    }
    return Errand(**usual | changes)


def after(before: Errand, heard: Heard, **passed: int) -> Errand:
    """The same attempt later, with nothing but what the core keeps: a restart in between changes nothing."""
    return replace(
        before,
        now=before.now + timedelta(**passed),
        fields={},
        memory=heard.memory,
        bank_payment_id=heard.bank_payment_id,
        said=heard.said,
    )
