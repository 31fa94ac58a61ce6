"""`opengiro worker`: the loops that ask banks, send webhooks and follow dates, without an API or pages.

Any number may run, on any machines that reach the database: what one has claimed, no other takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from opengiro.cli.hold import warn_if_held
from opengiro.cli.metrics import offering_metrics
from opengiro.cli.sentences import in_sentences
from opengiro.cli.server import CannotStart, loop

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.settings import Settings


def run_worker(assembly: Assembly, settings: Settings) -> int:
    """Work until asked to stop; return the exit code."""
    with in_sentences(settings):
        if not settings.database_url:
            raise CannotStart("opengiro worker needs PostgreSQL: on SQLite `opengiro serve` does the work itself.")
        with contextlib.suppress(KeyboardInterrupt):
            loop()(work(assembly, settings, _greet))
    return 0


async def work(
    assembly: Assembly, settings: Settings, ready: Callable[[], None], stop: asyncio.Event | None = None
) -> None:
    """Run the loops until SIGTERM, Ctrl+C or `stop`; what is in flight then is given back."""
    stop = stop or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        assembly.open_core(settings) as core,
        offering_metrics(assembly, core, settings),
        assembly.working(core, settings),
    ):
        warn_if_held(core.store)
        gc.freeze()
        ready()
        await stop.wait()


def _greet() -> None:
    typer.echo("OpenGiro works: it asks banks, sends webhooks and follows dates.")
