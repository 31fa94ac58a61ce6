"""Turning an order paid exactly once, whether the browser, the webhook or a sweeper comes first.

1. The payment is read from the API; a callback or a webhook is only a reason to look.
2. Its amount and currency are held against the order.
3. The order is claimed in the shop's ledger, so that of several callers one goes on.
4. The shop's effect runs and the claim is finished, in one transaction where the ledger can.

A crash before step 4 ends leaves the order claimable again when the lease is over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from opengiro_kit.ledger import ClaimLost, Finished, Ledger
from opengiro_kit.powens.client import AsyncPowensClient, PowensClient
from opengiro_kit.powens.objects import Payment, PaymentState

Transaction = TypeVar("Transaction")
Effect = Callable[[Transaction, Payment], None]


class Outcome(StrEnum):
    """What a shop does about an order now."""

    PAID = "paid"
    FAILED = "failed"
    WAITING = "waiting"
    ATTENTION = "attention"
    """A person has to look: the money and the order do not fit together."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the shop expects; `payment_id` is the one the shop stored, never one that a visitor brought."""

    id: str
    payment_id: int
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """How the order stands; `first` is true for the one call whose effect was kept."""

    outcome: Outcome
    payment: Payment
    first: bool = False
    why: str = ""


def settle(
    client: PowensClient,
    order: Order,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction],
    on_failed: Effect[Transaction] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement:
    """Read the order's payment and act on it once.

    Args:
        on_paid: the shop's effect; it runs inside the ledger's transaction, so writes to the same database
            are kept exactly once. Anything beyond that database may be repeated after a crash.
        on_failed: the same for a payment that can no longer succeed, once for each payment.
        accepted_is_paid: take `accepted`, where the bank will send no further news, as paid.
    """
    payment = client.payment(order.payment_id)
    return conclude(order, payment, ledger, on_paid, on_failed, accepted_is_paid=accepted_is_paid)


async def settle_async(
    client: AsyncPowensClient,
    order: Order,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction],
    on_failed: Effect[Transaction] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement:
    """Do the same with the asynchronous client; ledger and effects run in a thread."""
    payment = await client.payment(order.payment_id)
    return await asyncio.to_thread(
        conclude, order, payment, ledger, on_paid, on_failed, accepted_is_paid=accepted_is_paid
    )


def judge(order: Order, payment: Payment, *, accepted_is_paid: bool = False) -> Settlement:
    """Say what a payment just read from the API means for an order, without doing anything."""
    if payment.id != order.payment_id:
        return Settlement(Outcome.ATTENTION, payment, why="this payment belongs to another order")
    if payment.state is PaymentState.PARTIAL:
        return Settlement(Outcome.ATTENTION, payment, why="only a part of the instructions was executed")
    if payment.state in {PaymentState.REJECTED, PaymentState.EXPIRED}:
        return Settlement(Outcome.FAILED, payment)
    if not _means_money(payment, accepted_is_paid=accepted_is_paid):
        return Settlement(Outcome.WAITING, payment)
    if (payment.amount, payment.currency) != (order.amount, order.currency):
        return Settlement(Outcome.ATTENTION, payment, why="the amount paid is not the amount of the order")
    return Settlement(Outcome.PAID, payment)


def conclude(
    order: Order,
    payment: Payment,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction],
    on_failed: Effect[Transaction] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement:
    """Act once on a payment just read from the API."""
    verdict = judge(order, payment, accepted_is_paid=accepted_is_paid)
    if verdict.outcome is Outcome.PAID:
        return _once(f"paid:{order.id}", verdict, ledger, on_paid)
    if verdict.outcome is Outcome.FAILED and on_failed:
        return _once(f"failed:{payment.id}", verdict, ledger, on_failed)
    return verdict


def _means_money(payment: Payment, *, accepted_is_paid: bool) -> bool:
    paying = {PaymentState.DONE, PaymentState.ACCEPTED} if accepted_is_paid else {PaymentState.DONE}
    return payment.state in paying


def _once(key: str, verdict: Settlement, ledger: Ledger[Transaction], effect: Effect[Transaction]) -> Settlement:
    payment = verdict.payment
    claim = ledger.claim(key)
    if isinstance(claim, Finished):
        return _known(verdict, claim)
    if claim is None:
        return Settlement(Outcome.WAITING, payment, why="somebody else is settling this order")
    try:
        ledger.finish(claim, str(payment.id), lambda transaction: effect(transaction, payment))
    except ClaimLost:
        return Settlement(Outcome.WAITING, payment, why="somebody else took over this order")
    except BaseException:
        ledger.release(claim)
        raise
    return Settlement(verdict.outcome, payment, first=True)


def _known(verdict: Settlement, finished: Finished) -> Settlement:
    if finished.mark == str(verdict.payment.id):
        return verdict
    return Settlement(Outcome.ATTENTION, verdict.payment, why="the order was paid before, by another payment")
