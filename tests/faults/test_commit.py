"""A COMMIT that waits for its standby: nobody may cut it short, and whoever does so is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from opengiro.store.engines import Unavailable, Write
from opengiro.store.engines.postgres import Postgres
from tests import postgres
from tests.server import until

pytestmark = pytest.mark.engine("postgres")

_MERCHANT = Write("insert_merchant", (7, "kites", "Kites", "Kites SARL", "Europe/Paris", 0))
_SETTING = Write("upsert_setting", (7, "key", "value", 0))
SHARED, ALONE = [_MERCHANT], [_MERCHANT, _SETTING]
WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
CANCEL = WAITING.replace("COUNT(*)", "pg_cancel_backend(pid)")
SAVED = "SELECT COUNT(*) FROM merchants"


@pytest.fixture
def url() -> Iterator[str]:
    """A database whose commits wait for a standby."""
    url, server = postgres.new_database(), postgres.running()
    server.sql(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = on")
    _standby(server, "one that never comes")
    yield url
    _standby(server, "")
    postgres.drop_database(url)


@pytest.fixture
async def operator(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session that waits for no standby."""
    session = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    yield session
    await session.close()


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Postgres]:
    opened = Postgres(url)
    yield opened
    _standby(postgres.running(), "")
    await opened.close()


def _standby(server: postgres.Server, name: str) -> None:
    server.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{name and chr(34) + name + chr(34)}'")
    server.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("writes", [SHARED, ALONE])
async def test_who_leaves_does_not_cancel_the_commit(
    engine: Postgres, operator: asyncpg.Connection, writes: list[Write]
) -> None:
    caller = asyncio.create_task(engine.commit(writes))
    await until(lambda: operator.fetchval(WAITING))
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # A second caller leaves as well: by then a cancellation of the first would have arrived.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await engine.fetch_text("SELECT pg_sleep(10)", ())
    assert (await operator.fetchval(WAITING), await operator.fetchval(SAVED)) == (1, 0)
    _standby(postgres.running(), "")
    await until(lambda: operator.fetchval(SAVED))


@pytest.mark.parametrize("writes", [SHARED, ALONE])
async def test_a_commit_whose_wait_was_cancelled_is_not_acknowledged(
    engine: Postgres, operator: asyncpg.Connection, writes: list[Write]
) -> None:
    caller = asyncio.create_task(engine.commit(writes))
    await until(lambda: operator.fetchval(WAITING))
    await operator.fetch(CANCEL)
    with pytest.raises(Unavailable, match="synchronous replication"):
        await caller
    assert await operator.fetchval(SAVED) == 1  # on this disk alone: nobody may be told that it is safe


@pytest.mark.parametrize("writes", [SHARED, ALONE])
async def test_a_commit_that_lost_its_server_is_doubtful(
    engine: Postgres, operator: asyncpg.Connection, writes: list[Write]
) -> None:
    caller = asyncio.create_task(engine.commit(writes))
    await until(lambda: operator.fetchval(WAITING))
    await operator.fetch(CANCEL.replace("cancel", "terminate"))
    with pytest.raises(Unavailable):
        await caller
