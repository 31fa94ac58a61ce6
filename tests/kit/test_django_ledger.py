"""The ledger in a database of Django's: what the one for SQLite promises, it promises too."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from opengiro_kit import Claim, ClaimLost, Finished, Order, Outcome, Payment, Settlement
from opengiro_kit.contrib.django import CLAIMS_TABLE, DjangoLedger
from opengiro_kit.powens import Currency, Instruction, PaymentState
from opengiro_kit.settle import conclude

from tests.kit.django_project import configure

DONE = Payment(1, PaymentState.DONE, (Instruction(Decimal("50.90"), Currency("EUR")),))


@pytest.fixture
def order() -> Iterator[Order]:
    configure()
    with connections["default"].cursor() as cursor:
        cursor.execute(CLAIMS_TABLE)
        cursor.execute("CREATE TABLE IF NOT EXISTS parcels (order_id TEXT)")
    yield Order(secrets.token_hex(8), 1, Decimal("50.90"), "EUR")
    connections.close_all()


def parcels(order: Order) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM parcels WHERE order_id = %s", (order.id,))
        count: int = cursor.fetchone()[0]
        return count


def settled(order: Order, ledger: DjangoLedger) -> Settlement[Payment]:
    def send(connection: Any, paid: Payment) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO parcels VALUES (%s)", (order.id,))

    return conclude(order, DONE, ledger, send)


def test_ten_callers_at_once_send_one_parcel(order: Order) -> None:
    def call(_: int) -> Settlement[Payment]:
        try:
            return settled(order, DjangoLedger())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as callers:
        settlements = list(callers.map(call, range(30)))
    assert parcels(order) == 1
    assert sum(one.first for one in settlements) == 1
    assert {one.outcome for one in settlements} <= {Outcome.PAID, Outcome.WAITING}


def test_an_effect_that_fails_leaves_nothing_and_may_be_tried_again(order: Order) -> None:
    def stumble(connection: Any, paid: Payment) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO parcels VALUES (%s)", (order.id,))
        raise RuntimeError("the printer is out of paper")

    with pytest.raises(RuntimeError):
        conclude(order, DONE, DjangoLedger(), stumble)
    assert parcels(order) == 0
    assert settled(order, DjangoLedger()).first
    assert not settled(order, DjangoLedger()).first
    assert parcels(order) == 1


def test_who_lost_the_lease_cannot_finish_any_more(order: Order) -> None:
    now_s = [1000.0]
    ledger = DjangoLedger(lease_s=30, clock=lambda: now_s[0])
    slow = ledger.claim(order.id)
    assert isinstance(slow, Claim)
    assert ledger.claim(order.id) is None
    now_s[0] += 31
    quick = ledger.claim(order.id)
    assert isinstance(quick, Claim)
    with pytest.raises(ClaimLost):
        ledger.finish(slow, "1", lambda _: None)
    ledger.finish(quick, "1", lambda _: None)
    ledger.release(slow)
    assert ledger.claim(order.id) == Finished("1")
