"""Keep a merchant's choice of bank without starting an attempt: the payer validates later."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from opengiro.domain.attempt import Phase
from opengiro.domain.lifecycle import State
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import load_standing
from opengiro.usecases.choose_bank import ChooseBank


async def preset_bank(core: Core, command: ChooseBank) -> Standing:
    """Save bank, payer's account and field values of a payment that no bank knows yet; raises `Refused`."""
    standing = await load_standing(core, command.merchant_id, command.payment_id)
    payment, attempt = standing.payment, standing.attempt
    bank = core.bank(command.bank_id)
    if payment.state is not State.CREATED or (attempt is not None and attempt.phase is not Phase.ENDED):
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
    return Standing(chosen, attempt)
