"""A payment: the agreement (fixed once created), where it stands, and the moves that brought it there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from opengiro.domain.lifecycle import FINAL, State, Trigger, move

if TYPE_CHECKING:
    from opengiro.domain.accounts import Account
    from opengiro.domain.money import Money
    from opengiro.domain.parties import Party
    from opengiro.domain.recurrence import Recurrence


class Execution(StrEnum):
    """When the payer's bank is asked to execute."""

    FIRST_OPEN_DAY = "first_open_day"  #: the next bank business day
    INSTANT = "instant"  #: within seconds, any day
    DEFERRED = "deferred"  #: on a date the merchant names
    PERIODIC = "periodic"  #: repeatedly


class InstructionState(StrEnum):
    """Where one transfer order inside a payment stands; None before a bank took it."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why a payment was not executed, as far as the bank or we know."""

    INVALID_EMITTER = "invalid_emitter"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID_AMOUNT = "invalid_amount"
    INVALID_CURRENCY = "invalid_currency"
    INVALID_DATE = "invalid_date"
    INVALID_BENEFICIARY = "invalid_beneficiary"
    INVALID_LABEL = "invalid_label"
    INVALID_REFERENCE = "invalid_reference"
    REGULATORY = "regulatory"
    AUTHENTICATION_FAILED = "authentication_failed"
    NO_ANSWER_FROM_CUSTOMER = "no_answer_from_customer"
    NOT_SPECIFIED = "not_specified"
    CANCELLED_BY_PAYER = "cancelled_by_payer"
    CANCELLED_BY_CLIENT = "cancelled_by_client"
    CONFIRMATION_REFUSED = "confirmation_refused"
    BANK_MESSAGE = "bank_message"
    INVALID_VALUE = "invalid_value"
    BANK_UNAVAILABLE = "bank_unavailable"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One transfer order: `amount` gross to `payee`, `reference_id` the end-to-end id the bank carries along."""

    reference_id: str
    amount: Money
    label: str
    execution: Execution
    execution_date: date | None
    payee: Account
    payee_party: Party | None = None
    state: InstructionState | None = None
    recurrence: Recurrence | None = None  #: of a periodic order, which has one and no execution date


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Everything known of a payment; amount, payee and label never change after creation."""

    merchant_id: int
    payment_id: int  #: 53 bits: time-ordered, not countable, exact in JavaScript
    guid: str  #: UUIDv7
    client_id: str  #: the application that created it
    dialect: str  #: the wire it was created on, which words its events and its farewell
    created_at: datetime
    expires_at: datetime
    redirect_uri: str | None  #: where the payer goes at the end; None on a wire that sends them nowhere
    client_state: str | None
    instructions: tuple[Instruction, ...]
    order_code: str | None = None  #: the merchant's own order id
    account_id: str | None = None  #: the merchant's account it pays to, where the wire names one
    payer: Account | None = None
    payer_party: Party | None = None
    operator_party: Party | None = None
    bank_id: str | None = None
    bank_locked: bool = False  #: the merchant chose the bank, the payer may not change it
    defaults: str | None = None  #: JSON object of field values the merchant preset for the bank step
    state: State = State.CREATED
    version: int = 0
    cancelling: bool = False  #: the payer has still to approve the cancellation at the bank
    reason: Reason | None = None
    bank_message: str | None = None
    validated_at: datetime | None = None
    bank_payment_id: str | None = None
    country: str | None = None  #: of the chosen bank, ISO 3166 alpha-2
    moved: int = 0  #: ordinal of its last move

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL

    @property
    def total(self) -> Money:
        """The sum of all instructions, which share one currency."""
        first, *rest = (instruction.amount for instruction in self.instructions)
        return sum(rest, first)

    @property
    def execution(self) -> Execution:
        """When it is to be executed; all instructions agree."""
        return self.instructions[0].execution

    @property
    def recurrence(self) -> Recurrence | None:
        """The dates a recurring payment was agreed for; such a payment has exactly one instruction."""
        return self.instructions[0].recurrence


@dataclass(frozen=True, slots=True)
class Move:
    """One state change. The row is the event that webhooks and live streams read; `said` is the bank verbatim."""

    merchant_id: int
    payment_id: int
    ordinal: int  #: 0 for the creation, then without gaps
    origin: State | None
    trigger: Trigger | None
    target: State
    at: datetime
    reason: Reason | None = None
    bank_message: str | None = None
    said: str | None = None


_AFTER = {
    State.PENDING: InstructionState.PENDING,
    State.ACCEPTED: InstructionState.ACCEPTED,
    State.DONE: InstructionState.DONE,
    State.REJECTED: InstructionState.REJECTED,
}


def instruction_state(state: State) -> InstructionState | None:
    """Return the state every instruction shares when the bank reports the payment as a whole.

    A partial result without detail leaves each instruction `accepted`, as the powens wire documents.
    """
    return InstructionState.ACCEPTED if state is State.PARTIAL else _AFTER.get(state)


def advance(
    payment: Payment,
    triggers: Iterable[Trigger],
    at: datetime,
    *,
    reason: Reason | None = None,
    message: str | None = None,
    said: str | None = None,
) -> tuple[Payment, tuple[Move, ...]]:
    """Return the payment after these triggers, with the moves that record them; a trigger without effect is skipped."""
    moves: list[Move] = []
    for trigger in triggers:
        target = move(payment.state, trigger)
        if target is None:
            continue
        why = reason if target is State.REJECTED else None
        moves.append(
            Move(payment.merchant_id, payment.payment_id, payment.moved + 1, payment.state, trigger, target, at,
                 why, message, said)
        )  # fmt: skip
        payment = _moved(payment, target, at, why, message)
    return payment, tuple(moves)


def _moved(payment: Payment, target: State, at: datetime, reason: Reason | None, message: str | None) -> Payment:
    states = instruction_state(target)
    return replace(
        payment,
        state=target,
        moved=payment.moved + 1,
        reason=reason,
        bank_message=message or payment.bank_message,
        cancelling=False,
        validated_at=at if target is State.VALIDATING else payment.validated_at,
        instructions=tuple(replace(one, state=states) for one in payment.instructions),
    )
