"""Settling an order exactly once, whoever comes and whatever breaks."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from opengiro_kit import (
    AsyncPowensClient,
    Claim,
    ClaimLost,
    Finished,
    Order,
    Outcome,
    Payment,
    PowensClient,
    SqliteLedger,
    settle,
    settle_async,
)
from opengiro_kit.powens import Currency, Instruction, PaymentState
from opengiro_kit.settle import conclude, judge

from tests.kit.test_powens_client import new_payment
from tests.shop.wire import PowensWire

ORDER = Order("order-77", 1, Decimal("50.90"), "EUR")


def payment(state: str, amount: str = "50.9000000000", currency: str = "EUR", payment_id: int = 1) -> Payment:
    instruction = Instruction(Decimal(amount), Currency(currency))
    return Payment(id=payment_id, state=PaymentState(state), instructions=(instruction,))


class Shop:
    """A shop whose whole book is one table."""

    def __init__(self, path: Path, **ledger: object) -> None:
        self.path = path
        self.ledger = SqliteLedger(path, **ledger)  # type: ignore[arg-type]  # passed through
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS parcels (what TEXT, payment_id INTEGER)")

    def send(self, transaction: sqlite3.Connection, paid: Payment) -> None:
        transaction.execute("INSERT INTO parcels VALUES ('kite', ?)", (paid.id,))

    def apologise(self, transaction: sqlite3.Connection, failed: Payment) -> None:
        transaction.execute("INSERT INTO parcels VALUES ('sorry', ?)", (failed.id,))

    def parcels(self) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT what, payment_id FROM parcels ORDER BY rowid").fetchall()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.mark.parametrize(
    ("state", "accepted_is_paid", "outcome"),
    [
        ("created", False, Outcome.WAITING),
        ("validating", False, Outcome.WAITING),
        ("pending", False, Outcome.WAITING),
        ("a-new-word", False, Outcome.WAITING),
        ("accepted", False, Outcome.WAITING),
        ("accepted", True, Outcome.PAID),
        ("done", False, Outcome.PAID),
        ("rejected", True, Outcome.FAILED),
        ("expired", True, Outcome.FAILED),
        ("partial", True, Outcome.ATTENTION),
    ],
)
def test_each_state_has_its_outcome(state: str, accepted_is_paid: bool, outcome: Outcome) -> None:
    assert judge(ORDER, payment(state), accepted_is_paid=accepted_is_paid).outcome is outcome


@pytest.mark.parametrize(
    "found",
    [
        payment("done", amount="50.89"),
        payment("done", amount="5090"),
        payment("done", currency="PLN"),
        payment("done", payment_id=2),
        Payment(1, PaymentState.DONE),
    ],
)
def test_money_that_does_not_fit_the_order_pays_nothing(shop: Shop, found: Payment) -> None:
    settlement = conclude(ORDER, found, shop.ledger, shop.send)
    assert settlement.outcome is Outcome.ATTENTION
    assert settlement.why
    assert shop.parcels() == []


def test_ten_callers_at_once_send_one_parcel(shop: Shop) -> None:
    with ThreadPoolExecutor(10) as callers:
        settlements = list(callers.map(lambda _: conclude(ORDER, payment("done"), shop.ledger, shop.send), range(40)))
    assert shop.parcels() == [("kite", 1)]
    assert sum(one.first for one in settlements) == 1
    assert {one.outcome for one in settlements} <= {Outcome.PAID, Outcome.WAITING}


def test_who_comes_later_hears_that_it_is_paid(shop: Shop) -> None:
    assert conclude(ORDER, payment("done"), shop.ledger, shop.send).first
    later = conclude(ORDER, payment("done"), shop.ledger, shop.send)
    assert (later.outcome, later.first) == (Outcome.PAID, False)


def test_a_second_payment_for_a_paid_order_needs_a_person(shop: Shop) -> None:
    conclude(ORDER, payment("done"), shop.ledger, shop.send)
    twice = Order(ORDER.id, 2, ORDER.amount, ORDER.currency)
    settlement = conclude(twice, payment("done", payment_id=2), shop.ledger, shop.send)
    assert settlement.outcome is Outcome.ATTENTION
    assert shop.parcels() == [("kite", 1)]


def test_a_failed_payment_leaves_the_order_open_for_another(shop: Shop) -> None:
    for _ in range(2):
        conclude(ORDER, payment("rejected"), shop.ledger, shop.send, shop.apologise)
    second = Order(ORDER.id, 2, ORDER.amount, ORDER.currency)
    assert conclude(second, payment("done", payment_id=2), shop.ledger, shop.send).first
    assert shop.parcels() == [("sorry", 1), ("kite", 2)]


def test_an_effect_that_fails_leaves_nothing_and_may_be_tried_again(shop: Shop) -> None:
    def stumble(transaction: sqlite3.Connection, paid: Payment) -> None:
        shop.send(transaction, paid)
        raise RuntimeError("the printer is out of paper")

    with pytest.raises(RuntimeError):
        conclude(ORDER, payment("done"), shop.ledger, stumble)
    assert shop.parcels() == []
    assert conclude(ORDER, payment("done"), shop.ledger, shop.send).first
    assert shop.parcels() == [("kite", 1)]


def test_a_claim_is_somebodys_until_its_lease_ends(tmp_path: Path) -> None:
    now_s = [1000.0]
    shop = Shop(tmp_path / "shop.db", lease_s=30, clock=lambda: now_s[0])
    assert isinstance(shop.ledger.claim("paid:order-77"), Claim)
    now_s[0] += 29
    held = conclude(ORDER, payment("done"), shop.ledger, shop.send)
    assert (held.outcome, shop.parcels()) == (Outcome.WAITING, [])
    now_s[0] += 1
    assert conclude(ORDER, payment("done"), shop.ledger, shop.send).first


def test_who_lost_the_lease_cannot_finish_any_more(tmp_path: Path) -> None:
    now_s = [1000.0]
    shop = Shop(tmp_path / "shop.db", lease_s=30, clock=lambda: now_s[0])
    slow = shop.ledger.claim("paid:order-77")
    assert isinstance(slow, Claim)
    now_s[0] += 31
    quick = shop.ledger.claim("paid:order-77")
    assert isinstance(quick, Claim)
    with pytest.raises(ClaimLost):
        shop.ledger.finish(slow, "1", lambda transaction: shop.send(transaction, payment("done")))
    shop.ledger.finish(quick, "1", lambda transaction: shop.send(transaction, payment("done")))
    shop.ledger.release(slow)
    assert shop.ledger.claim("paid:order-77") == Finished("1")
    assert shop.parcels() == [("kite", 1)]


CRASHING = """
import os, signal, sys
from tests.kit.test_settle import ORDER, Shop, payment
from opengiro_kit.settle import conclude
from pathlib import Path

shop = Shop(Path(sys.argv[1]))

def send_and_die(transaction, paid):
    shop.send(transaction, paid)
    os.kill(os.getpid(), signal.SIGKILL)

conclude(ORDER, payment("done"), shop.ledger, send_and_die)
"""


def test_a_process_killed_in_the_middle_leaves_the_order_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASHING), str(path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    shop = Shop(path)
    assert shop.parcels() == []
    after_the_lease = Shop(path, lease_s=30, clock=lambda: 9e9)
    assert conclude(ORDER, payment("done"), after_the_lease.ledger, shop.send).first
    assert shop.parcels() == [("kite", 1)]


def test_the_payment_is_read_from_the_service_every_time(powens_wire: PowensWire, shop: Shop) -> None:
    with PowensClient(powens_wire.credentials) as client:
        created = client.create_payment(new_payment("50.90"))
        order = Order("order-77", created.id, Decimal("50.90"), "EUR")
        assert settle(client, order, shop.ledger, shop.send).outcome is Outcome.WAITING
        powens_wire.set_state(created.id, "done")
        assert settle(client, order, shop.ledger, shop.send).first
    assert shop.parcels() == [("kite", created.id)]


async def test_the_asynchronous_way_is_the_same(powens_wire: PowensWire, shop: Shop) -> None:
    async with AsyncPowensClient(powens_wire.credentials) as client:
        created = await client.create_payment(new_payment("50.90"))
        order = Order("order-77", created.id, Decimal("50.90"), "EUR")
        powens_wire.set_state(created.id, "done")
        assert (await settle_async(client, order, shop.ledger, shop.send)).first
        assert not (await settle_async(client, order, shop.ledger, shop.send)).first
    assert shop.parcels() == [("kite", created.id)]
