"""The `opengiro` command. Wiring hands it the assembled parts, so that no command imports what lies above it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opengiro import __version__
from opengiro.settings import CONFIG, Settings, WrongSetting, read_settings

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from opengiro.usecases import Core

DATA = Path(".opengiro")
"""Where a laptop's server keeps its data unless told otherwise."""

Config = Annotated[
    Path | None,
    typer.Option(envvar="OPENGIRO_CONFIG", help="The settings file; `opengiro.toml` here, if there is one."),
]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that commands put to work."""

    open_core: Callable[[Settings], AbstractAsyncContextManager[Core]]
    web_app: Callable[[Core, Settings, Sequence[BaseRoute]], ASGIApp]
    working: Callable[[Core, Settings], AbstractAsyncContextManager[None]]
    metrics: Callable[[Core], ASGIApp]


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

    _add_laptop(app, assembly)
    _add_processes(app, assembly)
    _add_data(app)
    _add_house(app, assembly)
    app.add_typer(_merchant(assembly), name="merchant")
    app.add_typer(_bank(assembly), name="bank")
    return app


def _add_laptop(app: typer.Typer, assembly: Assembly) -> None:
    """Add what a developer runs."""

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


def _add_processes(app: typer.Typer, assembly: Assembly) -> None:
    """Add what serves and works by an operator's settings."""

    @app.command()
    def serve(
        config: Config = None,
        workers: Annotated[int | None, typer.Option(help="Web processes; beside several, another one works.")] = None,
        work: Annotated[
            bool, typer.Option("--work/--no-work", help="Also work; without it `opengiro worker` has to run.")
        ] = True,
    ) -> None:
        """Serve the API, the pages and the workers by the settings of `opengiro.toml` and the environment."""
        from opengiro.cli.serve import run_serve  # noqa: PLC0415  # as above

        raise typer.Exit(run_serve(assembly, _settings(config, workers), works=work))

    @app.command()
    def worker(config: Config = None) -> None:
        """Ask banks, send webhooks and follow dates, on PostgreSQL; any number may run, on any machines."""
        from opengiro.cli.worker import run_worker  # noqa: PLC0415  # as above

        raise typer.Exit(run_worker(assembly, _settings(config)))

    @app.command(hidden=True)
    def child(role: str, descriptors: list[int]) -> None:
        """Be a process of `opengiro serve --workers N`, which starts it."""
        from opengiro.cli.child import run_child  # noqa: PLC0415  # as above
        from opengiro.cli.line import Role  # noqa: PLC0415  # as above

        raise typer.Exit(run_child(assembly, Role(role), descriptors))


def _add_data(app: typer.Typer) -> None:
    """Add what an operator does to the data."""

    @app.command()
    def migrate(
        config: Config = None,
        pre: Annotated[bool, typer.Option("--pre", help="Only add: servers of the version before run on.")] = False,
        post: Annotated[bool, typer.Option("--post", help="Only remove what none but they needed.")] = False,
    ) -> None:
        """Bring the database to this version's schema: first what adds, then what removes, or one of the two."""
        from opengiro.cli.check import run_migrate  # noqa: PLC0415  # as above

        run_migrate(_settings(config), pre=pre or not post, post=post or not pre)

    @app.command()
    def copy(
        config: Config = None,
        from_: Annotated[Path | None, typer.Option("--from", help="The SQLite file; else the one in `data`.")] = None,
        batch: Annotated[int, typer.Option(help="Rows saved at a time.", min=1, max=100_000)] = 5_000,
    ) -> None:
        """Copy everything from SQLite into the PostgreSQL of `database_url`, and compare; may be interrupted."""
        from opengiro.cli.copy import run_copy  # noqa: PLC0415  # as above

        run_copy(_settings(config), from_, batch)


def _add_house(app: typer.Typer, assembly: Assembly) -> None:
    """Add what an operator asks of a house, or has it do."""

    @app.command()
    def hold(
        reason: Annotated[str, typer.Argument(help="Why, as others will read it.")] = "an operator said so",
        config: Config = None,
    ) -> None:
        """Take no payment, ask no bank and send nothing until `opengiro release`."""
        from opengiro.cli.hold import run_hold  # noqa: PLC0415  # as above

        run_hold(assembly, _settings(config), reason)

    @app.command()
    def release(config: Config = None) -> None:
        """Let a held house act again; a restored copy begins held."""
        from opengiro.cli.hold import run_release  # noqa: PLC0415  # as above

        run_release(assembly, _settings(config))

    @app.command()
    def check(
        config: Config = None,
        production: Annotated[
            bool, typer.Option("--production", help="Also say what is unsafe with real payers.")
        ] = False,
    ) -> None:
        """Say in sentences what is missing, and exit with 1 if something is."""
        from opengiro.cli.check import run_check  # noqa: PLC0415  # as above

        raise typer.Exit(run_check(_settings(config), config or CONFIG, production=production))


def _merchant(assembly: Assembly) -> typer.Typer:
    app = typer.Typer(help="Whom this server serves.", no_args_is_help=True)

    @app.command()
    def create(
        name: Annotated[str, typer.Argument(help="As payers read it.")],
        legal_name: Annotated[str, typer.Option(help="As a register has it.")],
        domain: Annotated[str, typer.Option(help="A short name of its own, such as kites.")],
        zone: Annotated[str, typer.Option(help="Its time zone, such as Europe/Paris.")],
        redirect_uri: Annotated[list[str], typer.Option(help="Where payers may come back to, exactly; may repeat.")],
        config: Config = None,
    ) -> None:
        """Make a merchant with an application, and print its credentials this once."""
        from opengiro.cli.merchants import create_merchant  # noqa: PLC0415  # as above
        from opengiro.usecases.register_merchant import NewMerchant  # noqa: PLC0415  # as above

        wanted = NewMerchant(
            name=name, legal_name=legal_name, domain=domain, zone=zone, redirect_uris=tuple(redirect_uri)
        )
        create_merchant(assembly, _settings(config), wanted)

    @app.command("list")
    def list_(config: Config = None) -> None:
        """Print every merchant with its applications."""
        from opengiro.cli.merchants import list_merchants  # noqa: PLC0415  # as above

        list_merchants(assembly, _settings(config))

    return app


def _bank(assembly: Assembly) -> typer.Typer:
    app = typer.Typer(help="The banks this server reaches.", no_args_is_help=True)

    @app.callback()
    def bank() -> None:
        """The banks this server reaches."""

    @app.command("import")
    def import_(path: Annotated[Path, typer.Argument(metavar="FILE.json")], config: Config = None) -> None:
        """Add the banks of a file to the directory, or replace those it has by the same code."""
        from opengiro.cli.merchants import import_banks  # noqa: PLC0415  # as above

        import_banks(assembly, _settings(config), path)

    return app


def _settings(config: Path | None, workers: int | None = None) -> Settings:
    """Read the settings, or end with the sentence that says why not."""
    options = {} if workers is None else {"workers": workers}
    try:
        return read_settings(config, os.environ, options)
    except WrongSetting as wrong:
        typer.echo(wrong, err=True)
        raise typer.Exit(1) from None


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"opengiro {__version__}")
        raise typer.Exit
