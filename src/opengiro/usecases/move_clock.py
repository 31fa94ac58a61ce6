"""Move a merchant's clock, for tests and demonstrations: everything that is due follows at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from opengiro.usecases import Core


async def move_clock(core: Core, merchant_id: int, step: timedelta | None) -> datetime:
    """Move the clock further ahead by `step`, or back to real time with None; return what time it is now."""
    offset = timedelta() if step is None else core.clock.offset(merchant_id) + step
    await core.store.merchants.save_offset(merchant_id, offset // timedelta(microseconds=1))
    core.clock.move(merchant_id, offset)
    core.bell.ring_all()
    return core.now(merchant_id)
