"""The loop that asks banks: one that hangs keeps nobody else's payment waiting."""

from __future__ import annotations

import asyncio
import contextlib

from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Payment
from opengiro.workers.observe import observe
from tests.server import until
from tests.usecases.world import ACCEPTED, SETTLED, World


async def is_done(world: World, payment: Payment) -> bool:
    return await world.state(payment) is State.DONE


async def test_a_bank_that_hangs_delays_no_other_payment(world: World) -> None:
    hangs, answers = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await answers.wait()

    stuck = await world.paying()
    world.script.meanwhile["observe"] = hang
    worker = asyncio.create_task(observe(world.core))
    try:
        world.time.forward(minutes=30)
        await hangs.wait()
        world.script.initiate, world.script.observe = [ACCEPTED], [SETTLED]
        other = await world.paying()
        world.time.forward(seconds=30)
        await until(lambda: is_done(world, other))
        assert await world.state(stuck) is State.VALIDATING
        answers.set()
        await until(lambda: is_done(world, stuck))
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
