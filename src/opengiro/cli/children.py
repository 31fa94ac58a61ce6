"""The processes of one server: a parent that holds the port, its web processes, and one that works.

The parent has neither a database nor requests. It starts its children, says when all of them are ready, replaces one
that died, and ends them. Children are in process groups of their own: Ctrl+C reaches the parent alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from opengiro.cli.line import READY, Role, send_settings
from opengiro.cli.server import CannotStart

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from opengiro.settings import Settings

_START_S = 60
"""How long a child may take to be ready."""
_STEADY_S = 60
"""Who lived so long is replaced at once; who died sooner, ever later."""
_PAUSE_S, _PAUSE_MAX_S = 0.2, 30.0
_GRACE_S = 5
"""What a child may take to end beyond the time that those it serves have."""

_log = structlog.get_logger("opengiro.children")


@dataclass(slots=True)
class Place:
    """A child's place, filled again when the child dies. Its listener stays open, so who connects meanwhile waits."""

    role: Role
    listener: socket.socket | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)  #: its first child was


async def keep_children(
    settings: Settings, listeners: Sequence[socket.socket], ready: Callable[[], None], *, works: bool
) -> None:
    """Keep a web process for each listener, and one that works, until SIGTERM or Ctrl+C; raises `CannotStart`."""
    places = [Place(Role.WEB, listener) for listener in listeners] + [Place(Role.WORK)] * works
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    keepers = [asyncio.create_task(_keep(place, settings)) for place in places]
    told = asyncio.create_task(_tell(places, ready))
    over = asyncio.create_task(asked.wait())
    try:
        done, _ = await asyncio.wait([over, *keepers], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (over, told, *keepers):
            task.cancel()
        await asyncio.gather(over, told, *keepers, return_exceptions=True)
    for task in done - {over}:
        task.result()


async def _tell(places: Sequence[Place], ready: Callable[[], None]) -> None:
    for place in places:
        await place.ready.wait()
    ready()


async def _keep(place: Place, settings: Settings) -> None:
    """Have a child in this place for ever. Only the very first has to get ready for the server to start at all."""
    deaths = 0
    while True:
        began = time.monotonic()
        async with _child(place, settings) as (process, line):
            alive = await _await_ready(process, line)
            if alive:
                place.ready.set()
            elif not place.ready.is_set():
                raise CannotStart(f"A {place.role} process did not start: what it said stands above.")
            code = await process.wait()
        deaths = 1 if time.monotonic() - began > _STEADY_S else deaths + 1
        pause = min(_PAUSE_MAX_S, _PAUSE_S * 2 ** min(deaths - 1, 10))
        _log.warning("a process died", role=place.role, code=code, replaced_in_s=pause)
        await asyncio.sleep(pause)


@contextlib.asynccontextmanager
async def _child(place: Place, settings: Settings) -> AsyncIterator[tuple[Process, socket.socket]]:
    """Start a child, and end it with the block: those it serves have `shutdown_s`."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            passed = [theirs.fileno(), *([place.listener.fileno()] if place.listener else [])]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "opengiro", "child", place.role, *map(str, passed)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=passed,
                process_group=0,
            )
        try:
            with contextlib.suppress(OSError):  # it died at once, which its exit code will tell
                send_settings(ours, settings)
            ours.settimeout(0)
            yield process, ours
        finally:
            await _end(process, settings.shutdown_s + _GRACE_S)


async def _await_ready(process: Process, line: socket.socket) -> bool:
    """Return whether the child got ready; one that takes too long is killed."""
    try:
        async with asyncio.timeout(_START_S):
            return await asyncio.get_running_loop().sock_recv(line, len(READY)) == READY
    except TimeoutError:
        process.kill()
    except OSError:
        pass
    return False


async def _end(process: Process, within_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
