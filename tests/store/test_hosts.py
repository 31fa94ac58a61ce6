"""Several hosts, one of which can be written to: it is found quickly, whatever the others do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from opengiro.store.engines import Unavailable
from opengiro.store.engines.hosts import STAGGER_S, Hosts, one_host_each

THREE = "postgresql://me@one,two,three/db"


@dataclass(slots=True)
class Line:
    """A connection to one of them."""

    host: str
    ended: bool = False

    def terminate(self) -> None:
        self.ended = True


@dataclass(slots=True)
class Network:
    """What the hosts say: yes, no, an error, or nothing to whoever is not listed."""

    says: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_asked(self, host: str, times: int = 1) -> None:
        """Wait until a host was asked so often."""
        async with self.heard:
            await self.heard.wait_for(lambda: self.asked.count(host) >= times)

    async def ask(self, url: str, within_s: float) -> Line:
        """Ask one host."""
        host = one_host_each(url)[0].partition("@")[2].partition("/")[0]
        async with self.heard:
            self.asked.append(host)
            self.heard.notify_all()
        if host not in self.says:
            try:
                async with asyncio.timeout(within_s):
                    await asyncio.Event().wait()
            except TimeoutError:
                raise Unavailable("silent") from None
        if self.says[host] is not True:
            raise self.says[host] or Unavailable("read only")
        self.lines.append(Line(host))
        return self.lines[-1]


async def test_the_host_that_was_right_is_asked_first_and_the_others_left_alone() -> None:
    network = Network({"one": False, "two": True, "three": False})
    hosts = Hosts(THREE, network.ask)
    assert (await hosts.open(5)).host == "two"
    network.asked.clear()
    assert (await hosts.open(5)).host == "two"
    assert network.asked == ["two"]


async def test_hosts_that_keep_silent_hold_up_nobody() -> None:
    hosts = Hosts(THREE, Network({"three": True}).ask)
    async with asyncio.timeout(60):
        assert (await hosts.open(1e6)).host == "three"


async def test_a_host_that_becomes_the_primary_meanwhile_is_found() -> None:
    network = Network({"two": False, "three": False})
    opening = asyncio.create_task(Hosts(THREE, network.ask).open(60))
    await network.until_asked("three", 2)
    network.says["three"] = True
    assert (await opening).host == "three"


async def test_whoever_waits_is_told_in_the_end() -> None:
    with pytest.raises(Unavailable):
        await Hosts(THREE, Network({"two": False}).ask).open(0.6)


async def test_an_error_in_the_url_is_told_unless_one_host_may_still_come() -> None:
    wrong = ValueError("no such database")
    with pytest.raises(ValueError, match="no such database"):
        await Hosts(THREE, Network(dict.fromkeys(("one", "two", "three"), wrong)).ask).open(60)
    with pytest.raises(Unavailable):
        await Hosts(THREE, Network({"one": wrong, "two": wrong, "three": False}).ask).open(0.6)


async def test_a_host_that_is_doubted_is_asked_last() -> None:
    network = Network(dict.fromkeys(("one", "two", "three"), True))
    hosts = Hosts(THREE, network.ask)
    hosts.distrust()
    assert (await hosts.open(5)).host == "two"


async def test_of_two_that_say_yes_one_is_kept_and_the_other_closed() -> None:
    network = Network()
    both = asyncio.Event()

    async def ask(url: str, within_s: float) -> Line:
        network.lines.append(Line(url))
        if len(network.lines) == 2:
            both.set()
        line = network.lines[-1]
        await both.wait()
        return line

    chosen = await Hosts("postgresql://me@one,two/db", ask).open(60)
    await asyncio.sleep(0)
    assert [line.ended for line in network.lines if line is not chosen] == [True]
    assert not chosen.ended


async def test_whoever_gives_up_leaves_no_connection_behind() -> None:
    network = Network({"three": True})
    opening = asyncio.create_task(Hosts(THREE, network.ask).open(60))
    await network.until_asked("one")
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(STAGGER_S * 3)  # by now the third would have been asked
    assert network.asked == ["one"]


async def test_a_single_host_is_asked_once_and_gets_all_the_time() -> None:
    network = Network({"one": False})
    with pytest.raises(Unavailable, match="read only"):
        await Hosts("postgresql://me@one/db", network.ask).open(60)
    assert network.asked == ["one"]


def test_a_url_of_several_hosts_is_a_url_for_each() -> None:
    assert one_host_each("postgresql://me:a%40b@one:5432,two/db?sslmode=verify-full") == [
        "postgresql://me:a%40b@one:5432/db?sslmode=verify-full",
        "postgresql://me:a%40b@two/db?sslmode=verify-full",
    ]
