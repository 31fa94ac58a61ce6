"""End what never came: payments past their expiry, and confirmations nobody gave."""

from __future__ import annotations

from opengiro.domain.attempt import Phase
from opengiro.domain.clock import to_us
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Refused
from opengiro.usecases import Core
from opengiro.usecases.ask_bank import ask_bank, load_standing
from opengiro.usecases.end_payment import end_payment

_AT_ONCE_MAX = 100


async def expire_payments(core: Core) -> int:
    """Expire what is due on its merchant's clock, asking the bank a last time first; return how many ended."""
    due = await core.store.payments.expired(to_us(core.clock.real()), core.clock.furthest_us(), _AT_ONCE_MAX)
    ended = 0
    for merchant_id, payment_id in due:
        standing = await ask_bank(core, merchant_id, payment_id, background=True)
        if not standing.payment.final:
            ended += await _end(core, merchant_id, payment_id, Trigger.TIME_RAN_OUT)
    return ended


async def observe_or_lapse(core: Core, merchant_id: int, payment_id: int) -> None:
    """Ask the bank of a due attempt, or end it when it waited in vain for the merchant's confirmation."""
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED:
        return
    if attempt.confirm_by is not None and core.now(merchant_id) >= attempt.confirm_by:
        await _end(core, merchant_id, payment_id, Trigger.CONFIRMATION_LAPSED)
    else:
        await ask_bank(core, merchant_id, payment_id, background=True)


async def _end(core: Core, merchant_id: int, payment_id: int, trigger: Trigger) -> int:
    try:
        await end_payment(
            core, merchant_id, payment_id, trigger, Reason.NO_ANSWER_FROM_CUSTOMER, background=True
        )  # fmt: skip
    except Refused:
        return 0  # somebody was faster: it ended otherwise
    return 1
