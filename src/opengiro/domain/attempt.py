"""One try of one payment at one bank, and what follows from what that bank says.

The row is committed before a byte goes to the bank, so after a crash it still tells that something may have left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from opengiro.domain.banks import Bank, Confirm, Heard, NextAction
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Execution, Payment
from opengiro.domain.schedule import next_ask, quiet_after

CONFIRMATION = timedelta(seconds=60)
"""How long a merchant may take over a manual confirmation (PU27 of the powens wire)."""
LINK_LIFE = timedelta(minutes=20)
"""How long we hold a payment for a payer at a bank that does not say when its link expires."""
INITIATING_MAX = timedelta(seconds=60)
"""An attempt still `initiating` after this lost its caller: its outcome is unknown."""


class Phase(StrEnum):
    """How far an attempt got."""

    INITIATING = "initiating"  #: committed; the bank may or may not have heard
    LIVE = "live"  #: the bank knows it and may still pay
    UNKNOWN = "unknown"  #: we sent it and never heard: asked about, never sent again
    ENDED = "ended"  #: it cannot pay any more, or it did


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt; `back_to` is where the payer goes after returning from the bank."""

    merchant_id: int
    payment_id: int
    ordinal: int
    version: int
    bank_id: str
    phase: Phase
    request_id: str
    started_at: datetime
    ends_at: datetime
    back_to: str | None = None
    return_url: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    payer_ip: str | None = None
    payer_agent: str | None = None
    action: NextAction = None
    confirm_by: datetime | None = None
    asked: int = 0
    next_ask_at: datetime | None = None
    bank_payment_id: str | None = None
    said: str | None = None
    sca: str | None = None
    message: str | None = None
    memory: str = ""
    starts_on: date | None = None  #: the first day a standing order may execute: that of the payer's choice


def triggers_of(
    payment: Payment, heard: Heard, bank: Bank, at: datetime, accepted_at: datetime | None
) -> tuple[Trigger, ...]:
    """Return what an observation sets off; a status that is in no table sets off nothing."""
    trigger = heard.trigger
    if trigger is None or not heard.known:
        return ()
    if payment.execution is Execution.PERIODIC and trigger in _OF_ONE_DATE:
        # Whatever a bank calls a standing order that it took: the payment is over when its dates are.
        trigger = Trigger.BANK_ACCEPTED
    if trigger is Trigger.BANK_ACCEPTED and _is_quiet(payment, bank, at, accepted_at):
        return (trigger, Trigger.BANK_WENT_QUIET)
    if payment.state is State.CREATED and trigger is not Trigger.BANK_REJECTED:
        return (Trigger.PAYER_CHOSE_BANK, trigger)
    return (trigger,)


_OF_ONE_DATE = frozenset({Trigger.BANK_SETTLED, Trigger.BANK_SETTLED_PARTLY, Trigger.BANK_WENT_QUIET})


def _is_quiet(payment: Payment, bank: Bank, at: datetime, accepted_at: datetime | None) -> bool:
    """Whether a bank that never reports the end has had its time since it accepted."""
    if payment.execution not in bank.no_final_status or accepted_at is None:
        return False
    if payment.execution is Execution.PERIODIC:
        return False
    return at >= quiet_after(payment, accepted_at)


def plan_next_ask(payment: Payment, attempt: Attempt, ask_in: timedelta | None, at: datetime) -> datetime | None:
    """Return when to ask the bank next, or None when nothing more is to be learnt; a bank may name its own time."""
    if payment.final:
        return None
    if ask_in is not None:
        return at + ask_in
    return next_ask(payment, attempt.started_at, at, attempt.asked)


def action_now(heard: Heard, manual: bool, at: datetime) -> NextAction:
    """Return what has to happen next; a bank that waits for us waits for the merchant when it confirms by hand."""
    if heard.awaits_us and manual:
        return Confirm(at + CONFIRMATION)
    return heard.action
