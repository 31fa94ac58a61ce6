"""The `opengiro` command. Wiring hands it the assembled parts, so that no command imports what lies above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opengiro import __version__

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from opengiro.settings import Settings
    from opengiro.usecases import Core

DATA = Path(".opengiro")
"""Where a laptop's server keeps its data unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that commands put to work."""

    open_core: Callable[[Settings], AbstractAsyncContextManager[Core]]
    web_app: Callable[[Core, Settings, Sequence[BaseRoute]], ASGIApp]
    working: Callable[[Core, Settings], AbstractAsyncContextManager[None]]


def program(assembly: Assembly) -> typer.Typer:
    """Return the command with all its verbs."""
    app = typer.Typer(
        name="opengiro", help="A self-hosted pay-by-bank server.", no_args_is_help=True, add_completion=False
    )

    @app.callback()
    def opengiro(
        version: Annotated[
            bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """A self-hosted pay-by-bank server."""

    @app.command()
    def dev(
        port: Annotated[int, typer.Option(help="The one port everything is served on.", min=1, max=65535)] = 8000,
        data: Annotated[Path, typer.Option(help="The folder that keeps everything; it survives restarts.")] = DATA,
        open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the demo shop in a browser.")] = True,
    ) -> None:
        """Start server, workers, sandbox banks and demo shop on this machine, in one process on one port."""
        from opengiro.cli.dev import run_dev  # noqa: PLC0415  # here, so that other commands start without the sandbox

        raise typer.Exit(run_dev(assembly, port, data, open_browser=open_))

    @app.command(context_settings={"ignore_unknown_options": True})
    def time(
        move: Annotated[str, typer.Argument(help="+15m, +3d, +2h30m, +45s, or now to come back.")],
        data: Annotated[Path, typer.Option(help="The folder of the running `opengiro dev`.")] = DATA,
    ) -> None:
        """Move the clock of a running `opengiro dev`: schedules, expiries, retries and banks follow."""
        from opengiro.cli.time import move_time  # noqa: PLC0415  # here, so that `dev` starts without it

        raise typer.Exit(move_time(move, data))

    return app


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"opengiro {__version__}")
        raise typer.Exit
