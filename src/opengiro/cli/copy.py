"""`opengiro copy`: a house moves from its SQLite file to PostgreSQL; cut off at any moment, it goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from cryptography.exceptions import InvalidTag
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from opengiro.cli.sentences import in_sentences, place
from opengiro.cli.server import CannotStart, alone, check_key, loop
from opengiro.store import Store
from opengiro.store.copy import CannotCopy, Copy, Sum, copying_into, missing_rows
from opengiro.store.engines.choice import open_engine
from opengiro.store.vault import Vault, open_vault

if TYPE_CHECKING:
    from opengiro.settings import Settings


def run_copy(settings: Settings, source: Path | None, batch: int) -> None:
    """Copy the file's rows into `database_url` and print what both sides hold."""
    file = source or settings.database
    with in_sentences(settings):
        if not settings.database_url:
            raise CannotStart("database_url is not set: it names the PostgreSQL database to copy into.")
        if not file.is_file():
            raise CannotStart(f"There is no database {file} to copy.")
        if not settings.root_key:
            check_key(settings.root_key_file, file)
        # Who serves from this file holds its folder: nothing may change under us.
        with alone(file.resolve().parent, "copy"), _open(file) as opened:
            sums = loop()(_copy(settings, file, opened, batch))
    width = max(map(len, sums))
    for name, both in sums.items():
        typer.echo(f"{name:{width}}  {both.rows:>12,}  {both.digest[:16]}")
    rows = sum(both.rows for both in sums.values())
    typer.echo(
        f"{len(sums)} tables with {rows:,} rows are the same on both sides, and the root key opens {place(settings)}."
    )
    typer.echo(f"Servers may start there now. Keep {file} away from them: two copies would both pay and both tell.")


async def _copy(settings: Settings, file: Path, opened: sqlite3.Connection, batch: int) -> Mapping[str, Sum]:
    vault = open_vault(settings.root_key_file, settings.root_key)
    try:
        async with copying_into(settings.database_url) as target:
            copy = Copy(opened, target)
            await copy.begin()
            await _prove(open_engine("", file), vault, f"{file}")
            with _bar() as bar:
                carrying = bar.add_task("Copying", total=sum(copy.totals.values()))
                bar.advance(carrying, sum(copy.totals.values()) - missing_rows(copy.totals, copy.done))
                await copy.carry(lambda _, rows: bar.advance(carrying, rows), batch)
                comparing = bar.add_task("Comparing", total=sum(copy.totals.values()))
                sums = await copy.compare(lambda _, rows: bar.advance(comparing, rows))
            await _prove(open_engine(settings.database_url, file), vault, place(settings))
            await copy.finish()
    except CannotCopy as trouble:
        raise CannotStart(str(trouble)) from trouble
    return sums


async def _prove(engine: Any, vault: Vault, where: str) -> None:
    """Open something sealed: both databases need the same root key."""
    store = Store(engine, vault)
    try:
        await store.prove_key()
    except InvalidTag:
        raise CannotStart(f"The root key does not open {where}: copy with the one that it was made with.") from None
    finally:
        await store.close()


@contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection]:
    """Read one moment of the file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        try:
            opened.execute("PRAGMA query_only=ON")
            opened.execute("BEGIN")
            opened.execute("SELECT 1 FROM sqlite_schema")
        except sqlite3.DatabaseError as trouble:
            raise CannotStart(f"{file} cannot be copied: {trouble}.") from None
        yield opened


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
