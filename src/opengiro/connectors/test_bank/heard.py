"""What the test bank says, and what each word means. The words of the label grammar are the wire's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason

WAITING = "waiting"  #: the payer has still something to do
APPROVED = "approved"  #: the payer has done it, the merchant's confirmation is missing
UNAPPROVED = "unapproved"  #: the payer's approval failed
REFUSED = "refused"  #: the merchant refused the confirmation
EMITTER = "emitter"  #: the account the payer chose cannot pay

HEARD: Mapping[str, Trigger | None] = MappingProxyType(
    {
        WAITING: None,
        APPROVED: None,
        "pdng": Trigger.BANK_ACCEPTED,
        "done": Trigger.BANK_SETTLED,
        "canc": Trigger.BANK_REJECTED,
        "rjct": Trigger.BANK_REJECTED,
        "err": Trigger.BANK_REJECTED,
        "bug": Trigger.BANK_REJECTED,
        UNAPPROVED: Trigger.BANK_REJECTED,
        EMITTER: Trigger.BANK_REJECTED,
        REFUSED: Trigger.CONFIRMATION_REFUSED,
    }
)

REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        "canc": Reason.CANCELLED_BY_PAYER,
        "rjct": Reason.NOT_SPECIFIED,
        "err": Reason.INVALID_AMOUNT,
        "bug": Reason.BUG,
        UNAPPROVED: Reason.AUTHENTICATION_FAILED,
        EMITTER: Reason.INVALID_EMITTER,
        REFUSED: Reason.CONFIRMATION_REFUSED,
    }
)
