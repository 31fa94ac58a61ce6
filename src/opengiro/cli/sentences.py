"""Ends a command with one sentence where its data cannot be used, whichever engine keeps them."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

import typer
from cryptography.exceptions import InvalidTag

from opengiro.cli.server import CannotStart
from opengiro.store import Unavailable
from opengiro.store.migrate import NotReady

if TYPE_CHECKING:
    from opengiro.settings import Settings


@contextlib.contextmanager
def in_sentences(settings: Settings) -> Iterator[None]:
    """Print what is wrong and exit with 1; what nobody foresaw stays a traceback."""
    try:
        yield
    except Exception as trouble:
        text = sentence(trouble, settings)
        if text is None:
            raise
        typer.echo(text, err=True)
        raise typer.Exit(1) from None


def sentence(trouble: Exception, settings: Settings) -> str | None:
    """Return what to tell an operator of this trouble; None when it is a bug of ours."""
    match trouble:
        case CannotStart() | NotReady():
            return str(trouble)
        case InvalidTag():
            return f"The root key does not open {place(settings)}: put the one back that it was made with."
        case sqlite3.DatabaseError():
            return f"The database {settings.database} cannot be used: {trouble}."
    if settings.database_url and (text := _of_postgres(trouble, urlsplit(settings.database_url))):
        return text
    if isinstance(trouble, Unavailable) and not settings.database_url:
        return f"The database {settings.database} cannot be used now: {trouble}."
    if isinstance(trouble, OSError):
        return f"{trouble.filename or settings.data} cannot be used: {trouble.strerror or trouble}."
    return None


def place(settings: Settings) -> str:
    """Return where the data are, without a password."""
    return _place(urlsplit(settings.database_url)) if settings.database_url else str(settings.database)


def _place(url: SplitResult) -> str:
    return f"{url.netloc.rpartition('@')[2] or 'this machine'}{url.path}"


def _of_postgres(trouble: Exception, url: SplitResult) -> str | None:
    import asyncpg  # noqa: PLC0415  # a laptop starts without it

    host, _, database = _place(url).partition("/")
    if isinstance(trouble, Unavailable):
        cause = trouble.__cause__
        if not isinstance(cause, Exception):
            return f"PostgreSQL on {host} cannot be used now: {trouble}."
        trouble = cause
    user = unquote(url.username or "") or "this user"
    match trouble:
        case TimeoutError():
            return f"PostgreSQL on {host} does not answer: is the address right, and does a firewall let us through?"
        case socket.gaierror():
            return f"There is no host {host}: {trouble.strerror}."
        case ssl.SSLError() | ssl.CertificateError():
            return f"PostgreSQL on {host} does not speak TLS as database_url wants: {trouble.args[-1]}."
        case ConnectionError() | OSError() if not trouble.filename:
            return f"PostgreSQL on {host} cannot be reached: is it running, and is database_url right?"
        case asyncpg.InvalidPasswordError():
            return f"PostgreSQL on {host} refuses the password of {user}."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"PostgreSQL on {host} does not let {user} in: {trouble.args[0]}."
        case asyncpg.InvalidCatalogNameError():
            return f"There is no database {database} on {host}: make it with `createdb`."
        case asyncpg.TargetServerAttributeNotMatched() | asyncpg.ReadOnlySQLTransactionError():
            return f"No server of {host} takes writes: is one of them the primary?"
        case asyncpg.InsufficientPrivilegeError():
            return f"{user} may not do this to {_place(url)}: {trouble.args[0]}. Migrate as the owner of its tables."
        case asyncpg.ClientConfigurationError():
            return f"database_url cannot be used: {trouble.args[0]}."
        case asyncpg.PostgresError() | asyncpg.InterfaceError():
            return f"The database {_place(url)} cannot be used: {trouble.args[0]}."
    return None
