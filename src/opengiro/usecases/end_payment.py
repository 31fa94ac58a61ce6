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
from opengiro.usecases.settle_occurrences import load_course, settle_stopped

_TRIES = 8


async def end_payment(
    core: Core, judged: Standing, trigger: Trigger, reason: Reason, *, background: bool = False
) -> Standing:
    """Save the end together with that of the live attempt; refuses when it has no effect any more.

    `judged` is what the caller decided from. An attempt that began since then may pay, so it is never ended here.
    """
    for _ in range(_TRIES):
        standing = await load_standing(core, judged.payment.merchant_id, judged.payment.payment_id)
        now = core.now(standing.payment.merchant_id)
        course = await load_course(core, standing.payment)
        settled = settle_stopped(core, course, trigger, reason, now) if course else None
        triggers = settled.triggers if settled else (trigger,)
        after, moves = advance(standing.payment, triggers, now, reason=reason)
        if not moves or _has_changed_since(judged, standing, trigger):
            raise Refused(Refusal.STATE_FORBIDS)
        after = replace(after, version=after.version + 1)
        writes = list(settled.writes) if settled else []
        writes += core.store.payments.save_moves(after, standing.payment, moves, background=background)
        attempt = standing.attempt
        if attempt and attempt.phase is not Phase.ENDED:
            before, attempt = attempt, replace(attempt, phase=Phase.ENDED, action=None, next_ask_at=None)
            writes.append(core.store.attempts.update(replace(attempt, version=before.version + 1), before))
        try:
            await core.store.commit(writes)
        except Conflict:
            continue
        core.bell.ring(after.merchant_id, after.payment_id)
        return Standing(after, attempt)
    raise RuntimeError("a payment kept changing while its end was saved")


def _has_changed_since(judged: Standing, standing: Standing, trigger: Trigger) -> bool:
    """Whether another attempt runs than the caller knew, or the merchant's word came before it lapsed."""
    known, running = judged.attempt, standing.attempt
    if running is None or running.phase is Phase.ENDED:
        return False
    if known is None or known.ordinal != running.ordinal:
        return True
    return trigger is Trigger.CONFIRMATION_LAPSED and running.confirm_by != known.confirm_by
