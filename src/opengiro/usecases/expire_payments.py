"""End what never came: payments past their expiry, and confirmations nobody gave."""

from __future__ import annotations

import contextlib

from opengiro.domain.attempt import Phase
from opengiro.domain.clock import to_us
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Refused
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import ask_bank, load_standing
from opengiro.usecases.end_payment import end_payment

_AT_ONCE_MAX = 100


async def load_expired(core: Core) -> list[tuple[int, int]]:
    """Return (merchant_id, payment_id) of payments whose time is over on their merchant's clock."""
    return await core.store.payments.expired(to_us(core.clock.real()), core.clock.furthest_us(), _AT_ONCE_MAX)


async def expire_payment(core: Core, merchant_id: int, payment_id: int) -> bool:
    """Expire a payment, asking its bank a last time first; return whether it expired.

    One whose payer may be approving it right now is left until their link at the bank is over.
    """
    standing = await load_standing(core, merchant_id, payment_id)
    if _payer_may_approve(core, standing):
        return False
    with contextlib.suppress(Refused):  # a bank that left the directory cannot be asked
        standing = await ask_bank(core, merchant_id, payment_id, background=True)
    return not standing.payment.final and await _end(core, standing, Trigger.TIME_RAN_OUT)


def _payer_may_approve(core: Core, standing: Standing) -> bool:
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED or standing.payment.state is State.PENDING:
        return False
    return attempt.started_at <= core.now(attempt.merchant_id) < attempt.ends_at


async def observe_or_lapse(core: Core, merchant_id: int, payment_id: int) -> None:
    """Ask the bank of a due attempt, or end it when it waited in vain for the merchant's confirmation."""
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED:
        return
    if attempt.confirm_by is not None and core.now(merchant_id) >= attempt.confirm_by:
        await _end(core, standing, Trigger.CONFIRMATION_LAPSED)
    else:
        await ask_bank(core, merchant_id, payment_id, background=True)


async def _end(core: Core, standing: Standing, trigger: Trigger) -> bool:
    try:
        await end_payment(core, standing, trigger, Reason.NO_ANSWER_FROM_CUSTOMER, background=True)
    except Refused:
        return False  # somebody was faster: it ended otherwise, or goes on
    return True
