"""End the dates of recurring payments of which no bank told anything in time, asking it a last time first."""

from __future__ import annotations

from dataclasses import replace

from opengiro.domain.attempt import Phase
from opengiro.domain.clock import to_us
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.occurrence import plan_settlement
from opengiro.domain.payment import Reason, advance
from opengiro.store import Conflict
from opengiro.usecases import Core
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.settle_occurrences import load_course, writes_of

_AT_ONCE_MAX = 64


async def expire_occurrences(core: Core) -> int:
    """End what is due on its merchant's clock; return how many payments that concerned."""
    real, furthest = to_us(core.clock.real()), core.clock.furthest_us()
    due = await core.store.occurrences.expired(real, furthest, _AT_ONCE_MAX)
    for merchant_id, payment_id in due:
        await _expire(core, merchant_id, payment_id)
    return len(due)


async def _expire(core: Core, merchant_id: int, payment_id: int) -> None:
    standing = await ask_bank(core, merchant_id, payment_id, background=True)
    payment, attempt = standing.payment, standing.attempt
    course = await load_course(core, payment)
    if course is None:
        return
    now = core.now(merchant_id)
    late = (Trigger.TIME_RAN_OUT, None)
    settlement = plan_settlement(course, lambda one: late if one.expires_at <= now else None, now)
    after, moves = advance(payment, settlement.triggers, now, reason=Reason.NO_ANSWER_FROM_CUSTOMER)
    writes = [*writes_of(core, settlement)]
    if moves:
        after = replace(after, version=payment.version + 1)
        writes += core.store.payments.save_moves(after, payment, moves, background=True)
    if moves and attempt and attempt.phase is not Phase.ENDED:
        ended = replace(attempt, version=attempt.version + 1, phase=Phase.ENDED, action=None, next_ask_at=None)
        writes.append(core.store.attempts.update(ended, attempt))
    try:
        await core.store.commit(writes)
    except Conflict:
        return  # the bank told something meanwhile
    core.bell.ring(merchant_id, payment_id)
