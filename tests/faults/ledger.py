"""A bank reduced to its book: orders, who may still approve them, and answers that get lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from opengiro.domain.banks import (
    BankTrouble,
    Cancellation,
    Cancelled,
    Connector,
    Decoupled,
    Errand,
    Heard,
    Line,
    Moved,
    NextAction,
    Redirect,
)
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason

LINK_LIFE = timedelta(minutes=15)


class Stage(StrEnum):
    """Where an order stands in the bank's own book."""

    WAITING = "waiting"
    APPROVED = "approved"
    PAID = "paid"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Fate(StrEnum):
    """What happens to a request on its way."""

    ANSWERED = "answered"
    NEVER_SENT = "never sent"
    ANSWER_LOST = "answer lost"


_MEANING = {
    Stage.WAITING: None,
    Stage.APPROVED: Trigger.BANK_ACCEPTED,
    Stage.PAID: Trigger.BANK_SETTLED,
    Stage.REFUSED: Trigger.BANK_REJECTED,
    Stage.CANCELLED: Trigger.BANK_REJECTED,
}


@dataclass(slots=True)
class Order:
    """One initiation the bank accepted. `known` says that its link reached us, and so may have reached a payer."""

    order_id: str
    reference: str
    bank_id: str
    phone: bool
    received_at: datetime
    stage: Stage = Stage.WAITING
    known: bool = False

    @property
    def money_moves(self) -> bool:
        """Whether its payer approved it, so that it is or will be paid."""
        return self.stage in (Stage.APPROVED, Stage.PAID)


@dataclass(slots=True)
class Ledger:
    """The book of all banks of the machine. It outlives every restart of the server."""

    now: Callable[[], datetime]
    orders: list[Order] = field(default_factory=list)
    fate: Fate = Fate.ANSWERED

    def approvable(self) -> list[Order]:
        """Orders whose payer could approve them now."""
        return [one for one in self.orders if self._open(one) and (one.known or one.phone)]

    def _open(self, order: Order) -> bool:
        return order.stage is Stage.WAITING and self.now() < order.received_at + LINK_LIFE

    def _travel(self, effect: Callable[[], None]) -> None:
        """Let a request reach the bank, or not, and its answer reach us, or not."""
        if self.fate is Fate.NEVER_SENT:
            raise BankTrouble("refused", permanent=False, money=Moved.NOT_SENT)
        effect()
        if self.fate is Fate.ANSWER_LOST:
            raise BankTrouble("timed out", permanent=False, money=Moved.UNKNOWN)

    def _find(self, errand: Errand) -> Order:
        return next(one for one in self.orders if one.order_id == errand.bank_payment_id)

    def _tell(self, order: Order) -> Heard:
        if order.stage is Stage.WAITING and not self._open(order):
            order.stage = Stage.REFUSED
        action: NextAction = Decoupled("approve it") if order.phone else Redirect(f"https://bank.test/{order.order_id}")
        return Heard(
            said=order.stage,
            trigger=_MEANING[order.stage],
            reason=Reason.NOT_SPECIFIED if _MEANING[order.stage] is Trigger.BANK_REJECTED else None,
            action=action if order.stage is Stage.WAITING else None,
            bank_payment_id=order.order_id,
        )

    async def initiate(self, _: Line, errand: Errand) -> Heard:
        """Accept an order."""
        reference, bank = errand.orders[0].reference_id, errand.bank
        order = Order(errand.request_id, reference, bank.bank_id, bank.decoupled, self.now())
        self._travel(lambda: self.orders.append(order))
        order.known = True
        return self._tell(order)

    async def observe(self, _: Line, errand: Errand) -> Heard:
        """Tell where an order stands."""
        order = self._find(errand)
        self._travel(lambda: None)
        return self._tell(order)

    async def cancel(self, _: Line, errand: Errand) -> Cancellation:
        """Forget an order nobody approved."""
        order = self._find(errand)

        def forget() -> None:
            if order.stage is Stage.WAITING:
                order.stage = Stage.CANCELLED

        self._travel(forget)
        gone = order.stage is Stage.CANCELLED
        return Cancellation(Cancelled.AT_ONCE if gone else Cancelled.REFUSED, order.stage)

    def connector(self) -> Connector:
        """The bank as the core sees it."""
        return Connector(name="scripted", initiate=self.initiate, observe=self.observe, heard={}, cancel=self.cancel)
