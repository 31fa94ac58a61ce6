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
from typing import Any, Generic, Protocol, TypeVar

from opengiro_kit.ledger import ClaimLost, Finished, Ledger
from opengiro_kit.words import AnyPayment, Standing

Transaction = TypeVar("Transaction")
Paid = TypeVar("Paid", bound=AnyPayment)
Paid_co = TypeVar("Paid_co", bound=AnyPayment, covariant=True)
Effect = Callable[[Transaction, Paid], None]


class Outcome(StrEnum):
    """What a shop does about an order now."""

    PAID = "paid"
    FAILED = "failed"
    WAITING = "waiting"
    ATTENTION = "attention"
    """A person has to look: the money and the order do not fit together."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the shop expects.

    Args:
        payment_id: the id or guid that the shop stored, never one that a visitor brought. None where it was never
            learnt: then a payment belongs to the order when it was created under the order's id.
        comment: what the payer reads beside the amount.
    """

    id: str
    payment_id: int | str | None
    amount: Decimal
    currency: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Settlement(Generic[Paid]):
    """How the order stands; `first` is true for the one call whose effect was kept."""

    outcome: Outcome
    payment: Paid
    first: bool = False
    why: str = ""


class Reads(Protocol[Paid_co]):
    """A client of either wire."""

    def payment(self, payment_id: Any, /) -> Paid_co:
        """Read a payment."""


class ReadsAsync(Protocol[Paid_co]):
    """An asynchronous client of either wire."""

    async def payment(self, payment_id: Any, /) -> Paid_co:
        """Read a payment."""


def settle(
    client: Reads[Paid],
    order: Order,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction, Paid],
    on_failed: Effect[Transaction, Paid] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement[Paid]:
    """Read the order's payment and act on it once.

    Args:
        on_paid: the shop's effect; it runs inside the ledger's transaction, so writes to the same database
            are kept exactly once. Anything beyond that database may be repeated after a crash.
        on_failed: the same for a payment that can no longer succeed, once for each payment.
        accepted_is_paid: take `accepted`, where the bank will send no further news, as paid.
    """
    payment = client.payment(_known(order))
    return conclude(order, payment, ledger, on_paid, on_failed, accepted_is_paid=accepted_is_paid)


async def settle_async(
    client: ReadsAsync[Paid],
    order: Order,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction, Paid],
    on_failed: Effect[Transaction, Paid] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement[Paid]:
    """Do the same with the asynchronous client; ledger and effects run in a thread."""
    payment = await client.payment(_known(order))
    return await asyncio.to_thread(
        conclude, order, payment, ledger, on_paid, on_failed, accepted_is_paid=accepted_is_paid
    )


def judge(order: Order, payment: Paid, *, accepted_is_paid: bool = False) -> Settlement[Paid]:
    """Say what a payment just read from the API means for an order, without doing anything."""
    if not _belongs(order, payment):
        return Settlement(Outcome.ATTENTION, payment, why="this payment belongs to another order")
    match payment.standing:
        case Standing.PARTIAL:
            return Settlement(Outcome.ATTENTION, payment, why="only a part of the instructions was executed")
        case Standing.FAILED:
            return Settlement(Outcome.FAILED, payment)
        case Standing.WAITING:
            return Settlement(Outcome.WAITING, payment)
        case Standing.ACCEPTED if not accepted_is_paid:
            return Settlement(Outcome.WAITING, payment)
    if (payment.amount, payment.currency) != (order.amount, order.currency):
        return Settlement(Outcome.ATTENTION, payment, why="the amount paid is not the amount of the order")
    return Settlement(Outcome.PAID, payment)


def conclude(
    order: Order,
    payment: Paid,
    ledger: Ledger[Transaction],
    on_paid: Effect[Transaction, Paid],
    on_failed: Effect[Transaction, Paid] | None = None,
    *,
    accepted_is_paid: bool = False,
) -> Settlement[Paid]:
    """Act once on a payment just read from the API."""
    verdict = judge(order, payment, accepted_is_paid=accepted_is_paid)
    if verdict.outcome is Outcome.PAID:
        return _once(f"paid:{order.id}", verdict, ledger, on_paid)
    if verdict.outcome is Outcome.FAILED and on_failed:
        return _once(f"failed:{payment.reference}", verdict, ledger, on_failed)
    return verdict


def _known(order: Order) -> int | str:
    if order.payment_id is None:
        raise ValueError(f"order {order.id} has no payment that could be read")
    return order.payment_id


def _belongs(order: Order, payment: AnyPayment) -> bool:
    # The order code was read from the API as well, where only the shop can write it.
    return payment.reference == order.payment_id or payment.order_code == order.id


def _once(
    key: str, verdict: Settlement[Paid], ledger: Ledger[Transaction], effect: Effect[Transaction, Paid]
) -> Settlement[Paid]:
    payment = verdict.payment
    claim = ledger.claim(key)
    if isinstance(claim, Finished):
        return _known_already(verdict, claim)
    if claim is None:
        return Settlement(Outcome.WAITING, payment, why="somebody else is settling this order")
    try:
        ledger.finish(claim, str(payment.reference), lambda transaction: effect(transaction, payment))
    except ClaimLost:
        return Settlement(Outcome.WAITING, payment, why="somebody else took over this order")
    except BaseException:
        ledger.release(claim)
        raise
    return Settlement(verdict.outcome, payment, first=True)


def _known_already(verdict: Settlement[Paid], finished: Finished) -> Settlement[Paid]:
    if finished.mark == str(verdict.payment.reference):
        return verdict
    return Settlement(Outcome.ATTENTION, verdict.payment, why="the order was paid before, by another payment")
