"""Stop a recurring payment: at its bank first, then here. What was executed stays; no further date falls due."""

from __future__ import annotations

from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import load_standing
from opengiro.usecases.cancel_payment import BY_CLIENT, By, cancel_pending
from opengiro.usecases.settle_occurrences import is_running

# A payer who quits can never end what a bank has accepted; stopping through us is the same act as the merchant's.
_BY_PAYER: By = (Trigger.CLIENT_CANCELLED, Reason.CANCELLED_BY_PAYER)


async def stop_by_client(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Stop for the merchant; raises `Refused` when it is not running or the bank does not stop it."""
    return await _stop(core, merchant_id, payment_id, BY_CLIENT)


async def stop_by_payer(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Stop for the payer; where the bank wants their approval, the attempt's next action is the way there."""
    return await _stop(core, merchant_id, payment_id, _BY_PAYER)


async def _stop(core: Core, merchant_id: int, payment_id: int, by: By) -> Standing:
    line = core.prompt_line()
    standing = await load_standing(core, merchant_id, payment_id)
    if not is_running(standing.payment):
        raise Refused(Refusal.CANCEL_UNSUPPORTED)
    return await cancel_pending(core, line, standing, by)
