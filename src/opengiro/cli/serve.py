"""`opengiro serve`: the API, the pages and the workers by an operator's settings, in one process or in several."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from opengiro.cli.children import keep_children
from opengiro.cli.hold import warn_if_held
from opengiro.cli.metrics import offering_metrics
from opengiro.cli.sentences import in_sentences
from opengiro.cli.server import CannotStart, Server, alone, check_key, listening, loop, sharing_port

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.settings import Settings


def run_serve(assembly: Assembly, settings: Settings, *, works: bool = True) -> int:
    """Serve until asked to stop; return the exit code. Without `works` others have to, by `opengiro worker`."""
    with in_sentences(settings), contextlib.suppress(KeyboardInterrupt):
        if not works and not settings.database_url:
            raise CannotStart("--no-work needs PostgreSQL: on SQLite nobody else could do the work.")
        if settings.workers == 1:
            _run_alone(assembly, settings, works=works)
        else:
            _run_many(assembly, settings, works=works)
    return 0


def _run_alone(assembly: Assembly, settings: Settings, *, works: bool) -> None:
    with listening(settings.host, settings.port) as listener, _holding(settings):
        loop()(serve(assembly, settings, listener, lambda: _greet(settings), works=works))


def _run_many(assembly: Assembly, settings: Settings, *, works: bool) -> None:
    if sys.platform == "win32":
        raise CannotStart("workers must be 1 on Windows, where processes share neither a port nor a file.")
    with _holding(settings):
        loop()(_look(assembly, settings))
        with sharing_port(settings.host, settings.port, settings.workers) as listeners:
            asyncio.run(keep_children(settings, listeners, lambda: _greet(settings), works=works))


async def _look(assembly: Assembly, settings: Settings) -> None:
    """Find out whether the data can be used before many processes would say that they cannot."""
    async with assembly.open_core(settings):
        pass


@contextlib.contextmanager
def _holding(settings: Settings) -> Iterator[None]:
    """Hold the folder, where it is the database: that one server alone may serve."""
    if settings.database_url:
        yield
        return
    with alone(settings.data, "serve"):
        if not settings.root_key:
            check_key(settings.root_key_file, settings.database)
        yield


async def serve(
    assembly: Assembly,
    settings: Settings,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    works: bool,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve on a port that is held, and work beside it or not, until a signal or `stop`."""
    async with assembly.open_core(settings) as core, offering_metrics(assembly, core, settings):
        warn_if_held(core.store)
        app = assembly.web_app(core, settings, [])
        async with assembly.working(core, settings) if works else contextlib.nullcontext():
            server = Server(app, ready, settings.shutdown_s, settings.proxies)
            await server.serve_until(stop, listener)


def _greet(settings: Settings) -> None:
    typer.echo(f"OpenGiro serves {settings.own_url} on {settings.host} port {settings.port}; {_where(settings)}.")


def _where(settings: Settings) -> str:
    if settings.database_url:
        return f"data in PostgreSQL; processes: {settings.workers}"
    several = f"; processes: {settings.workers}" if settings.workers > 1 else ""
    return f"data in {settings.data}{several}"
