"""Where the payer is inside a state, read off the newest attempt: a notice for those who watch, saved nowhere."""

from __future__ import annotations

from enum import StrEnum

from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import AskFields, Confirm, Decoupled, NextAction, Redirect
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Payment


class Step(StrEnum):
    """What is waited for."""

    CHOOSING_BANK = "choosing_bank"  #: the payer has to choose a bank
    ON_PHONE = "on_phone"  #: the payer took the payment over to another device and chooses a bank there
    STARTING = "starting"  #: the bank is being asked to take the payment
    BANK_SILENT = "bank_silent"  #: the bank did not say whether it took it
    AT_BANK = "at_bank"  #: the payer was sent to the bank
    APPROVING = "approving"  #: the payer has to approve on another device
    ANSWERING = "answering"  #: the payer has to answer a question of the bank
    CONFIRMING = "confirming"  #: the merchant has to confirm
    PROCESSING = "processing"  #: the bank is at it


def step_of(payment: Payment, attempt: Attempt | None) -> Step | None:
    """Return what a payment waits for, or None when nothing will happen any more."""
    if payment.final:
        return None
    if payment.state is State.PENDING:
        return Step.PROCESSING
    if attempt is None or attempt.phase is Phase.ENDED:
        return Step.CHOOSING_BANK
    if attempt.phase is not Phase.LIVE:
        return Step.STARTING if attempt.phase is Phase.INITIATING else Step.BANK_SILENT
    return _step_for(attempt.action)


def _step_for(action: NextAction) -> Step:
    match action:
        case Redirect():
            return Step.AT_BANK
        case Decoupled():
            return Step.APPROVING
        case AskFields():
            return Step.ANSWERING
        case Confirm():
            return Step.CONFIRMING
        case None:
            return Step.PROCESSING
