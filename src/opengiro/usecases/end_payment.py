"""End a payment for a reason that is not the bank's: cancelled, unanswered, or out of time."""

from __future__ import annotations

from dataclasses import replace

from opengiro.domain.attempt import Phase
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason, advance
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import load_standing

_TRIES = 8


async def end_payment(
    core: Core, merchant_id: int, payment_id: int, trigger: Trigger, reason: Reason, *, background: bool = False
) -> Standing:
    """Save the end together with that of the live attempt; refuses when the trigger has no effect any more."""
    for _ in range(_TRIES):
        standing = await load_standing(core, merchant_id, payment_id)
        now = core.now(merchant_id)
        after, moves = advance(standing.payment, (trigger,), now, reason=reason)
        if not moves:
            raise Refused(Refusal.STATE_FORBIDS)
        after = replace(after, version=after.version + 1)
        writes = core.store.payments.save_moves(after, standing.payment, moves, background=background)
        attempt = standing.attempt
        if attempt and attempt.phase is not Phase.ENDED:
            before, attempt = attempt, replace(attempt, phase=Phase.ENDED, action=None, next_ask_at=None)
            writes.append(core.store.attempts.update(replace(attempt, version=before.version + 1), before))
        try:
            await core.store.commit(writes)
        except Conflict:
            continue
        core.bell.ring(merchant_id, payment_id)
        return Standing(after, attempt)
    raise RuntimeError("a payment kept changing while its end was saved")
