"""The log of a SQLite file: nobody hears of what is not on the disk, and the log does not grow for ever."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from opengiro.store.engines import Conflict, Unavailable, Write, write_ahead_log
from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.engines.turn import Turn
from opengiro.store.migrate import migrate

pytestmark = pytest.mark.engine("sqlite")


class Disk:
    """The disk under the logs of this process. It can be made to keep a log waiting, or to fail."""

    def __init__(self, flush: object) -> None:
        self._flush = flush
        self.gates: dict[int, threading.Event] = {}
        self.broken = False

    def flush(self, file: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, "a worn-out disk")
        if gate := self.gates.get(file):
            assert gate.wait(10)
        assert callable(self._flush)
        self._flush(file)

    def stop(self, engine: Sqlite) -> threading.Event:
        """Keep the log of an engine waiting until the event comes."""
        gate = self.gates[engine._log._file] = threading.Event()
        return gate


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(write_ahead_log._flush)
    monkeypatch.setattr(write_ahead_log, "_flush", made.flush)
    return made


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Sqlite]:
    engine = Sqlite(path, shared=True)
    await migrate(engine)
    yield engine
    await engine.close()


def merchant(number: int) -> Write:
    return Write("insert_merchant", (number, f"shop-{number}", "Shop", "Shop SARL", "Europe/Paris", 0))


async def numbers(engine: Sqlite) -> list[int]:
    return [row[0] for row in await engine.fetch("load_merchants")]


async def until_saved(engine: Sqlite, number: int) -> None:
    for _ in range(1000):
        if number in await numbers(engine):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(number)


async def test_nobody_hears_of_a_command_before_it_is_on_the_disk_and_others_write_meanwhile(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path / "opengiro.db") as first, opened(tmp_path / "opengiro.db") as second:
        gate = disk.stop(first)
        waits = asyncio.create_task(first.commit([merchant(1)]))
        await until_saved(second, 1)
        await second.commit([merchant(2)])
        assert not waits.done()
        gate.set()
        assert await waits == [[]]


async def test_a_conflict_too_is_told_only_when_what_was_in_the_way_is_on_the_disk(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "opengiro.db") as first, opened(tmp_path / "opengiro.db") as second:
        gates = disk.stop(first), disk.stop(second)
        wins = asyncio.create_task(first.commit([merchant(1)]))
        await until_saved(second, 1)
        loses = asyncio.create_task(second.commit([merchant(1)]))
        await asyncio.sleep(0.1)
        assert not loses.done()
        gates[1].set()
        with pytest.raises(Conflict):
            await loses
        gates[0].set()
        await wins


async def test_what_another_process_saved_can_be_waited_for(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "opengiro.db") as first, opened(tmp_path / "opengiro.db") as second:
        gate, own = disk.stop(first), disk.stop(second)
        waits = asyncio.create_task(first.commit([merchant(1)]))
        await until_saved(second, 1)
        secured = asyncio.create_task(second.secure())
        await asyncio.sleep(0.1)
        assert not secured.done()
        own.set()
        await secured
        gate.set()
        await waits


async def test_after_the_disk_failed_once_nothing_is_promised_until_a_restart(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path / "opengiro.db") as engine:
        disk.broken = True
        with pytest.raises(Unavailable):
            await engine.commit([merchant(1)])
        disk.broken = False
        with pytest.raises(Unavailable):
            await engine.commit([merchant(2)])
    async with opened(tmp_path / "opengiro.db") as engine:
        await engine.commit([merchant(3)])
        assert 3 in await numbers(engine)


async def test_the_log_is_begun_anew_while_the_writing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "_EMPTY_AFTER", 20)
    monkeypatch.setattr(write_ahead_log, "_ANEW_AFTER", 40)
    path = tmp_path / "opengiro.db"
    async with opened(path) as first, opened(path) as second:
        before = log_size(path)
        for start in range(0, 1200, 2):
            await asyncio.gather(first.commit([merchant(start)]), second.commit([merchant(start + 1)]))
        grew = log_size(path) - before
        assert len(await numbers(first)) == 1200
    assert grew < 1200 * 4096  # each commit adds two pages or more


async def test_closing_ends_though_the_log_waits_for_a_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "_EMPTY_AFTER", 1)
    monkeypatch.setattr(write_ahead_log, "_ANEW_AFTER", 0)
    monkeypatch.setattr(write_ahead_log, "_CLOSING_S", 0.2)
    path = tmp_path / "opengiro.db"
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(opened(path))
        turn = Turn(path)
        with turn:
            engine._log.secure(1)
            await stack.aclose()
        turn.close()


def log_size(path: Path) -> int:
    return path.with_name("opengiro.db-wal").stat().st_size
