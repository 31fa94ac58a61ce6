"""Keep a merchant's choice of bank without starting an attempt: the payer validates later."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from opengiro.domain.lifecycle import State
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.choose_bank import ChooseBank


async def preset_bank(core: Core, command: ChooseBank) -> Standing:
    """Save bank, payer's account and field values of a payment that no bank knows yet; raises `Refused`."""
    payment = await core.payment(command.merchant_id, command.payment_id)
    bank = core.bank(command.bank_id)
    if payment.state is not State.CREATED:
        raise Refused(Refusal.STATE_FORBIDS)
    fields = msgspec.json.encode(dict(command.fields)).decode() if command.fields else payment.defaults
    chosen = replace(
        payment,
        version=payment.version + 1,
        bank_id=bank.bank_id,
        bank_locked=True,
        country=bank.countries[0],
        payer=command.payer or payment.payer,
        defaults=fields,
    )
    try:
        await core.store.commit(core.store.payments.save_moves(chosen, payment, ()))
    except Conflict:
        raise Refused(Refusal.STATE_FORBIDS) from None
    return Standing(chosen)
