"""`opengiro merchant` and `opengiro bank`: whom a server serves, and which banks it reaches.

They open the database themselves, so they work whether the server runs or not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opengiro.cli.directory import read_banks
from opengiro.cli.sentences import in_sentences
from opengiro.cli.server import CannotStart, check_key, loop
from opengiro.domain.refusals import Refused
from opengiro.store import Conflict
from opengiro.usecases.register_merchant import NewMerchant, register_merchant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opengiro.cli import Assembly
    from opengiro.settings import Settings
    from opengiro.usecases import Core

_ACTOR = "opengiro merchant"


def create_merchant(assembly: Assembly, settings: Settings, wanted: NewMerchant) -> None:
    """Make a merchant and print what it needs to begin, as JSON."""

    async def create(core: Core) -> None:
        try:
            made = await register_merchant(core, wanted, _ACTOR)
        except Refused as refused:
            wrong = "; ".join(f"{complaint.path}: {complaint.text}" for complaint in refused.complaints)
            raise CannotStart(f"The merchant was not made. {wrong}.") from None
        printed = {
            "merchant_id": made.merchant.merchant_id,
            "base_url": f"{core.own_url}/2.0",
            "client_id": made.application.client_id,
            "client_secret": made.client_secret,
            "config_token": made.config_token,
            "redirect_uris": list(made.application.redirect_uris),
        }
        typer.echo(json.dumps(printed, indent=2))
        typer.echo("Keep client_secret and config_token now: they are shown this once.", err=True)

    with_core(assembly, settings, create)


def list_merchants(assembly: Assembly, settings: Settings) -> None:
    """Print every merchant with its applications, a line each."""

    async def tell(core: Core) -> None:
        for merchant, _ in await core.store.merchants.all():
            typer.echo(f"{merchant.merchant_id}  {merchant.domain}  {merchant.name} ({merchant.legal_name})")
            for application in await core.store.applications.all(merchant.merchant_id):
                typer.echo(f"   client {application.client_id}  {' '.join(application.redirect_uris)}")

    with_core(assembly, settings, tell)


def import_banks(assembly: Assembly, settings: Settings, path: Path) -> None:
    """Add the banks of a file to the directory, or replace those that have their codes."""

    async def add(core: Core) -> None:
        try:
            banks = read_banks(body, core.store.banks.all())
        except ValueError as trouble:
            raise CannotStart(f"{path} was not imported: {trouble}.") from None
        try:
            await core.store.banks.save(banks)
        except Conflict:
            raise CannotStart(f"{path} was not imported: another import runs. Try again.") from None
        typer.echo(f"{len(banks)} of {len(core.store.banks.all())} banks came from {path}.")
        typer.echo("Servers that are running know them within seconds.")

    try:
        body = path.read_bytes()
    except OSError as trouble:
        typer.echo(f"{path} cannot be read: {trouble.strerror}.", err=True)
        raise typer.Exit(1) from None
    with_core(assembly, settings, add)


def with_core(assembly: Assembly, settings: Settings, use: Callable[[Core], Awaitable[None]]) -> None:
    """Open the house for one errand, and end in a sentence when it cannot be opened."""

    async def run() -> None:
        async with assembly.open_core(settings) as core:
            await use(core)

    with in_sentences(settings):
        if not settings.root_key:
            check_key(settings.root_key_file, settings.database)
        loop()(run())
