"""Two processes on one database keep their memory in step; two cores stand for them here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from opengiro.domain.merchants import Merchant
from opengiro.settings import Settings
from opengiro.usecases import Core
from opengiro.usecases.move_clock import move_clock
from opengiro.wiring import open_core
from opengiro.workers.bridge import _texts
from opengiro.workers.duty import Duty
from tests import engines
from tests.server import until

pytestmark = pytest.mark.engine(*engines.ENGINES)

SHOP = Merchant(merchant_id=7, domain="shop", name="Shop", legal_name="Shop SARL", zone="Europe/Paris")


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Core, Core]]:
    settings = Settings(data=tmp_path, database_url=engines.database_url(tmp_path), workers=2)
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(open_core(settings))
        await here.store.merchants.save(SHOP, here.clock.real())
        yield here, await stack.enter_async_context(open_core(settings))


async def rings(heard: asyncio.Event, source: Core) -> bool:
    """Ring until it is heard: listening begins a moment after the start."""
    source.bell.ring(SHOP.merchant_id, 5)
    await asyncio.sleep(0)
    return heard.is_set()


async def test_a_ring_in_one_process_is_heard_in_the_other(two: tuple[Core, Core]) -> None:
    here, there = two
    with there.bell.listen(SHOP.merchant_id, 5) as heard:
        await until(lambda: rings(heard, here))


async def test_a_clock_moved_in_one_process_is_told_by_the_other(two: tuple[Core, Core]) -> None:
    here, there = two

    async def follows(offset: timedelta) -> bool:
        return there.clock.offset(SHOP.merchant_id) == offset

    await move_clock(here, SHOP.merchant_id, timedelta(days=3))
    await until(lambda: follows(timedelta(days=3)))
    await move_clock(here, SHOP.merchant_id, None)
    await until(lambda: follows(timedelta()))


@pytest.mark.engine("postgres")
async def test_a_connection_that_listens_is_made_again_and_all_are_rung(two: tuple[Core, Core]) -> None:
    here, there = two
    with there.bell.listen(SHOP.merchant_id, 5) as heard:
        await until(lambda: rings(heard, here))
        heard.clear()
        await here.store.engine.fetch_text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'",
            (),
        )
        async with asyncio.timeout(30):
            await heard.wait()
        heard.clear()
        await until(lambda: rings(heard, here))


async def test_a_duty_is_held_by_one_process_at_a_time(two: tuple[Core, Core]) -> None:
    ours, theirs = (Duty(core, "expire") for core in two)
    assert await ours.is_ours()
    assert not await theirs.is_ours()
    await ours.free()
    assert await Duty(two[1], "expire").is_ours()


def test_what_rang_is_spelt_in_texts_that_the_channel_takes() -> None:
    some: dict[tuple[int, int] | None, None] = {(7, 2**52 + number): None for number in range(600)}
    texts = list(_texts(some))
    assert len(texts) > 1
    assert all(len(text) < 7_900 for text in texts)
    assert [word for text in texts for word in text.split()] == [f"{one[0]}:{one[1]}" for one in some if one]
    assert list(_texts({**some, None: None})) == ["all"]
    assert list(_texts({(7, number): None for number in range(1_001)})) == ["all"]
