"""`opengiro hold` and `opengiro release`: whether a house takes payments, asks banks and sends webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from opengiro.cli.merchants import with_core
from opengiro.cli.server import CannotStart
from opengiro.usecases.hold_house import Wish, hold_house, release_house

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.settings import Settings
    from opengiro.store import Store
    from opengiro.usecases import Core


def run_hold(assembly: Assembly, settings: Settings, reason: str) -> None:
    """Hold the house and say since when it is."""

    async def hold(core: Core) -> None:
        await hold_house(core.store, reason, "opengiro hold", core.clock.real())
        typer.echo(said(core.store))
        typer.echo("Servers that are running stop within seconds.")

    with_core(assembly, settings, hold)


def run_release(assembly: Assembly, settings: Settings) -> None:
    """Release the house."""

    async def release(core: Core) -> None:
        if Wish(settings.hold) is Wish.ALWAYS:
            raise CannotStart('The setting hold is "always": take it away first.')
        if not core.store.home.held:
            typer.echo("OpenGiro is not held.")
            return
        await release_house(core.store, "opengiro release", core.clock.real())
        typer.echo("OpenGiro is released: servers take payments, ask banks and send webhooks within seconds.")

    with_core(assembly, settings, release)


def warn_if_held(store: Store) -> None:
    """Say so where a server starts."""
    if store.home.held:
        typer.echo(said(store), err=True)


def said(store: Store) -> str:
    """Say since when and why a house is held; nothing when it is not."""
    hold = store.home.hold
    if hold is None:
        return ""
    return (
        f"OpenGiro is held since {hold.since:%Y-%m-%d %H:%M:%S} UTC, because {hold.reason}: it takes no payment, asks "
        "no bank and sends nothing until `opengiro release`."
    )
