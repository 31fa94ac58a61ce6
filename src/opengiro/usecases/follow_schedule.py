"""Let the dates of recurring payments fall due: each becomes one occurrence, once, whoever asks and however late.

1. What is due is read. 2. What follows is decided purely. 3. One transaction saves the occurrences and how far the
schedule was followed, guarded by how far it was: whoever was slower reads again and finds nothing left to do.
"""

from __future__ import annotations

import asyncio

from opengiro.domain.clock import to_us
from opengiro.domain.occurrence import AT_ONCE_MAX, plan_due
from opengiro.store import Conflict
from opengiro.usecases import Core

_TRIES = 8
PAYMENTS_AT_ONCE_MAX = 64


async def follow_schedules(core: Core) -> int:
    """Create what has fallen due for all merchants, each on its own clock; return how many schedules moved."""
    real, furthest = to_us(core.clock.real()), core.clock.furthest_us()
    due = await core.store.occurrences.due(real, furthest, PAYMENTS_AT_ONCE_MAX)
    await asyncio.gather(*(follow_schedule(core, merchant_id, payment_id) for merchant_id, payment_id in due))
    return len(due)


async def follow_schedule(core: Core, merchant_id: int, payment_id: int) -> None:
    """Create every occurrence of one payment that has fallen due, oldest date first."""
    for _ in range(_TRIES):
        while await _step(core, merchant_id, payment_id):
            pass
        schedule = await core.store.occurrences.schedule(merchant_id, payment_id)
        if schedule is None or schedule.next_due_at is None or schedule.next_due_at > core.now(merchant_id):
            return


async def _step(core: Core, merchant_id: int, payment_id: int) -> bool:
    """Create one batch; return whether more may be due. Losing a race is no loss: the winner did it."""
    schedule = await core.store.occurrences.schedule(merchant_id, payment_id)
    if schedule is None:
        return False
    merchant = await core.merchant(merchant_id)
    after, born = plan_due(schedule, core.now(merchant_id), merchant.expire_days, core.chance)
    if not born:
        return False
    try:
        await core.store.commit(core.store.occurrences.follow(after, schedule, born))
    except Conflict:
        return False
    core.bell.ring(merchant_id, payment_id)
    return len(born) == AT_ONCE_MAX
