"""Move a merchant's clock, for tests and demonstrations: everything that is due follows at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from opengiro.usecases import Core

AHEAD_MAX = timedelta(days=3653)
"""Ten years: beyond some millennia calendars end, and a clock that was moved there could not be read again."""


async def move_clock(core: Core, merchant_id: int, step: timedelta | None) -> datetime:
    """Move the clock further ahead by `step`, or back to real time with None; return what time it is now.

    Raises:
        ValueError: the clock would be more than ten years ahead.
    """
    before = core.clock.offset(merchant_id)
    offset = timedelta() if step is None else before + step
    if offset > AHEAD_MAX:
        raise ValueError("the clock goes at most ten years ahead")
    back_to = core.clock.real() + offset if offset < before else None
    await core.store.merchants.save_offset(merchant_id, offset // timedelta(microseconds=1), back_to=back_to)
    core.clock.move(merchant_id, offset)
    core.bell.ring_all()
    return core.now(merchant_id)
