"""What processes of one SQLite file call out: everybody who listens hears it, or hears that something was missed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opengiro.store.engines import Unavailable, folder_channel
from opengiro.store.engines.folder_channel import FolderChannel

pytestmark = pytest.mark.engine("sqlite")


@dataclass(slots=True)
class Listener:
    """What one process heard; an empty text stands for what it was told to have missed."""

    task: asyncio.Task[None] | None = None
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def next(self) -> str:
        """Return the next that is heard."""
        async with asyncio.timeout(30):
            return await self.heard.get()


@contextlib.asynccontextmanager
async def listening(channel: FolderChannel) -> AsyncIterator[Listener]:
    """Listen for as long as the block lasts."""
    listener = Listener()
    began = channel.listen(lambda: listener.heard.put_nowait(""), listener.heard.put_nowait)
    listener.task = asyncio.create_task(began)
    assert await listener.next() == ""
    try:
        yield listener
    finally:
        listener.task.cancel()
        await asyncio.gather(listener.task, return_exceptions=True)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


async def test_all_who_listen_hear_and_who_calls_does_not(tmp_path: Path) -> None:
    channels = [FolderChannel(tmp_path / "bells") for _ in range(3)]
    async with listening(channels[0]) as caller, listening(channels[1]) as one, listening(channels[2]) as other:
        await channels[0].call("a 7:5")
        await channels[0].call("a 7:6")
        assert [await one.next(), await other.next(), await one.next()] == ["a 7:5", "a 7:5", "a 7:6"]
        await channels[1].call("b all")
        assert await caller.next() == "b all"
    assert list((tmp_path / "bells").iterdir()) == []


async def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    FolderChannel(tmp_path / "bells")
    assert (tmp_path / "bells").stat().st_mode & 0o777 == 0o700


async def test_a_folder_with_a_long_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30) / ("er" * 30)
    folder.mkdir(parents=True)
    caller = FolderChannel(folder / "bells")
    async with listening(FolderChannel(folder / "bells")) as one:
        await caller.call("a 7:5")
        assert await one.next() == "a 7:5"


async def test_who_died_is_removed(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "dead.bell"))
    async with listening(FolderChannel(tmp_path)) as one:
        await channel.call("a 7:5")
        assert await one.next() == "a 7:5"
        assert not (tmp_path / "dead.bell").exists()


async def test_who_froze_holds_up_nobody_and_learns_that_it_missed_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_channel, "_AGAIN_S", 0.0)
    channel = FolderChannel(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as frozen:
        frozen.bind(str(tmp_path / "frozen.bell"))
        frozen.settimeout(0)
        async with listening(FolderChannel(tmp_path)) as one:
            told = 0
            while "frozen.bell" not in channel._behind:
                await channel.call(f"a 7:{told}")
                assert await one.next() == f"a 7:{told}"
                told += 1
            for number in range(told - 1):
                assert frozen.recv(100) == f"a 7:{number}".encode()
            await channel.call("a 7:99")
            assert frozen.recv(100) == b""
            await channel.call("a 7:100")
            assert frozen.recv(100) == b"a 7:100"


async def test_who_would_not_be_found_any_more_listens_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_channel, "_PROBE_S", 0.01)
    async with listening(FolderChannel(tmp_path)) as one:
        empty(tmp_path)
        assert one.task
        with pytest.raises(Unavailable):
            await asyncio.wait_for(one.task, 30)


async def test_without_its_folder_nobody_is_called(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path / "bells")
    (tmp_path / "bells").rmdir()
    with pytest.raises(Unavailable):
        await channel.call("a 7:5")
