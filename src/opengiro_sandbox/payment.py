"""A payment and its authorisations as stored facts, and the statuses that follow from them and a clock.

No status is stored. Whoever asks gets what the facts say at that instant, so moving the clock moves the bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from opengiro_sandbox.banks import INSTANT, Bank
from opengiro_sandbox.order import Order
from opengiro_sandbox.standing import OPENING_HOUR, last_execution

LINK_LIFE = timedelta(minutes=15)
SILENT_APPROVAL = timedelta(seconds=12)

Steps = Sequence[tuple[timedelta, str]]


def _steps(*pairs: tuple[int, str]) -> Steps:
    return tuple((timedelta(seconds=seconds), status) for seconds, status in pairs)


STEPS_INSTANT = _steps((0, "ACSC"), (5, "ACCC"))
STEPS_SCT = _steps((0, "ACTC"), (3, "ACSP"), (20, "ACSC"))
STEPS_SCT_ON_ITS_DAY = _steps((0, "ACSP"), (20, "ACSC"))

FINAL = frozenset({"ACSC", "ACCC", "RJCT", "CANC"})


@dataclass(frozen=True, slots=True)
class Payment:
    """What the bank knows of one initiation it accepted."""

    id: str
    bank: str
    product: str
    request_id: str
    order: Order
    redirect_uri: str
    nok_uri: str
    received_at: datetime
    expires_at: datetime
    debtor_iban: str
    approved_at: datetime | None
    rejected_at: datetime | None
    reason: str
    cancelled_at: datetime | None

    @property
    def service(self) -> str:
        """The payment service it was ordered from."""
        return "periodic-payments" if self.order.standing else "payments"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """One request to the payer: to approve a payment, or to approve that it is cancelled."""

    id: str
    payment_id: str
    cancels: bool
    token: str
    redirect_uri: str
    nok_uri: str
    started_at: datetime
    expires_at: datetime
    opened_at: datetime | None
    account: str
    decided_at: datetime | None
    approved: bool


@dataclass(frozen=True, slots=True)
class Execution:
    """One date of a standing order: when it was executed, or why it was not."""

    due: date
    at: datetime
    reason: str


def execution_start(payment: Payment, bank: Bank) -> datetime | None:
    """Return when the bank starts to execute, or None while the payer has not approved."""
    if payment.approved_at is None:
        return None
    day = payment.order.execution_date
    if day is None or day <= payment.approved_at.astimezone(bank.timezone()).date():
        return payment.approved_at
    return datetime.combine(day, OPENING_HOUR, bank.timezone())


def transaction_status(payment: Payment, bank: Bank, now: datetime) -> str:
    """Return the ISO 20022 status this bank would tell at this instant."""
    if payment.cancelled_at:
        return "CANC"
    if payment.rejected_at:
        return "RJCT"
    start = execution_start(payment, bank)
    if start is None:
        # An order whose payer never came is refused rather than cancelled: nobody asked to cancel it.
        return "RJCT" if now >= payment.expires_at else "RCVD"
    if payment.order.standing:
        return _standing_status(payment, bank, now)
    status = _executing(payment, start, now)
    return status if bank.final_status or status not in FINAL else "ACSP"


def _standing_status(payment: Payment, bank: Bank, now: datetime) -> str:
    # The order is what the status speaks of: taken for as long as a date is to come, then executed in full.
    return "ACSC" if bank.final_status and is_over(payment, bank, now) else "ACTC"


def is_over(payment: Payment, bank: Bank, now: datetime) -> bool:
    """Return whether the last date of a standing order has been executed."""
    last = last_execution(payment.order.standing, bank) if payment.order.standing else None
    return last is not None and now >= last


def _executing(payment: Payment, start: datetime, now: datetime) -> str:
    deferred = start != payment.approved_at
    if deferred and now < start:
        return "ACTC"
    steps = STEPS_SCT_ON_ITS_DAY if deferred else STEPS_SCT
    if payment.product == INSTANT:
        steps = STEPS_INSTANT
    # A clock moved back to before the approval finds the payment at its first step, never unapproved.
    reached = [status for delay, status in steps if now - start >= delay]
    return reached[-1] if reached else steps[0][1]


def sca_status(authorisation: Authorisation, payment: Payment, now: datetime) -> str:
    """Return how far the payer got with this authorisation."""
    if authorisation.decided_at:
        return "finalised" if authorisation.approved else "failed"
    if is_dead(authorisation, payment, now):
        return "failed"
    return "started" if authorisation.opened_at else "received"


def is_dead(authorisation: Authorisation, payment: Payment, now: datetime) -> bool:
    """Return whether the payer can no longer answer, since the link or the payment ended."""
    closed = payment.cancelled_at or payment.rejected_at or (payment.approved_at and not authorisation.cancels)
    return authorisation.decided_at is None and (bool(closed) or now >= authorisation.expires_at)


def rejection(payment: Payment, bank: Bank, now: datetime) -> str:
    """Return why the payment was refused: an ISO reason code, or nothing when it was not."""
    if transaction_status(payment, bank, now) != "RJCT":
        return ""
    return payment.reason or "MS03"


def awaits_execution(payment: Payment, bank: Bank, now: datetime) -> bool:
    """Return whether the payment is approved for a later day, or for more dates, and can still be stopped."""
    start = execution_start(payment, bank)
    closed = payment.cancelled_at or payment.rejected_at
    if payment.order.standing:
        return start is not None and not closed and not is_over(payment, bank, now)
    return start is not None and start != payment.approved_at and now < start and not closed
