"""`opengiro serve`: the API, the pages and the workers in one process, by an operator's settings."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from cryptography.exceptions import InvalidTag

from opengiro.cli.server import CannotStart, Server, alone, check_key, listening, loop

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.settings import Settings


def run_serve(assembly: Assembly, settings: Settings) -> int:
    """Serve until asked to stop; return the exit code."""
    with in_sentences(settings), listening(settings.host, settings.port) as listener, alone(settings.data, "serve"):
        if not settings.root_key:
            check_key(settings.root_key_file, settings.database)
        with contextlib.suppress(KeyboardInterrupt):
            loop()(_serve(assembly, settings, listener))
    return 0


@contextlib.contextmanager
def in_sentences(settings: Settings) -> Iterator[None]:
    """End the command with a sentence when the data cannot be used."""
    try:
        yield
    except CannotStart as trouble:
        text = str(trouble)
    except sqlite3.DatabaseError as trouble:
        text = f"The database {settings.database} cannot be used: {trouble}."
    except InvalidTag:
        text = f"The root key does not open {settings.database}: put the one back that it was made with."
    except OSError as trouble:
        text = f"{trouble.filename or settings.data} cannot be used: {trouble.strerror or trouble}."
    else:
        return
    typer.echo(text, err=True)
    raise typer.Exit(1)


async def _serve(assembly: Assembly, settings: Settings, listener: socket.socket) -> None:
    async with assembly.open_core(settings) as core:
        app = assembly.web_app(core, settings, [])
        async with assembly.working(core, settings):
            server = Server(app, lambda: _greet(settings), settings.shutdown_s, settings.proxies)
            await server.serve([listener])


def _greet(settings: Settings) -> None:
    typer.echo(f"OpenGiro serves {settings.own_url} on {settings.host} port {settings.port}; data in {settings.data}.")
