"""Due attempts are shared out: each to one worker, and of each bank only so many."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.usecases.world import OTHER, SCRIPTED, World

LEASE_US = 60_000_000


def now_us(world: World) -> int:
    return int(world.time().timestamp() * 1_000_000)


async def test_workers_that_claim_at_once_share_what_is_due(world: World) -> None:
    for number in range(20):
        await world.paying(label=f"Order {number}")
    world.time.forward(seconds=5)
    claim = world.core.store.attempts.claim_due
    claims = await asyncio.gather(*(claim(now_us(world), 0, LEASE_US, 4, 4) for _ in range(8)))
    claimed = [payment_id for one in claims for _, payment_id, _ in one]
    assert len(claimed) == len(set(claimed))
    while rest := await claim(now_us(world), 0, LEASE_US, 4, 4):
        claimed += [payment_id for _, payment_id, _ in rest]
    assert len(claimed) == len(set(claimed)) == 20


async def test_a_bank_with_many_due_attempts_holds_up_no_other(world: World) -> None:
    for number in range(12):
        await world.paying(label=f"Order {number}")
    world.time.forward(seconds=1)
    await world.paying(bank=OTHER)
    world.time.forward(seconds=5)
    claim = world.core.store.attempts.claim_due
    first = Counter(bank_id for _, _, bank_id in await claim(now_us(world), 0, LEASE_US, 10, 4))
    assert first == {SCRIPTED: 4, OTHER: 1}
    assert await claim(now_us(world), 0, LEASE_US, 10, 4, but=[SCRIPTED]) == []
    assert len(await claim(now_us(world), 0, LEASE_US, 10, 100)) == 8
