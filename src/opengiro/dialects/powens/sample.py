"""A made-up payment, so that a receiver can be tried before any money moves. Its id is 0, which no payment has."""

from __future__ import annotations

from datetime import datetime

from opengiro.dialects.powens.write import View, write_event
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.lifecycle import State
from opengiro.domain.merchants import Merchant
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Instruction, InstructionState, Payment

_IBAN = "FR7630006000011234567890189"  # the national bank's own example of a well-formed number


def sample_event(merchant: Merchant, now: datetime, data_id: int) -> bytes:
    """Write what a webhook would receive for a payment that is done."""
    instruction = Instruction(
        reference_id="TEST-1",
        amount=Money(100, "EUR"),
        label="Webhook test",
        execution=Execution.INSTANT,
        execution_date=None,
        payee=Account(Scheme.IBAN, _IBAN, merchant.legal_name),
        state=InstructionState.DONE,
    )
    payment = Payment(
        merchant_id=merchant.merchant_id,
        payment_id=0,
        guid="00000000-0000-7000-8000-000000000000",
        client_id="",
        dialect="powens",
        created_at=now,
        expires_at=now,
        redirect_uri="https://shop.example/",
        client_state=None,
        instructions=(instruction,),
        state=State.DONE,
        validated_at=now,
    )
    return write_event(payment, View(merchant, lambda _: None), data_id, 0)
