"""`opengiro check`: says in sentences what a server is missing, and with --production what would be unsafe in one.

`opengiro migrate` stands beside it: it brings what a check finds missing of the schema.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from opengiro.cli.hold import said
from opengiro.cli.sentences import in_sentences, sentence
from opengiro.cli.server import CannotStart, check_key, loop
from opengiro.settings import SECRETS, Settings, is_loopback
from opengiro.store import Store
from opengiro.store.engines.choice import open_engine
from opengiro.store.migrate import POST, PRE, migrate, missing, unknown
from opengiro.store.vault import open_vault

if TYPE_CHECKING:
    from opengiro.domain.banks import Bank
    from opengiro.store.engines import Engine

_KEYS = ("root.key", "fields-key.pem", "tokens-key.pem", "opengiro.db")


def run_check(settings: Settings, config: Path, *, production: bool) -> int:
    """Print what is missing or unsafe; return 1 when there is something."""
    found = list(_missing(settings))
    if production:
        found += [*_unsafe(settings), *_exposed(settings), *_told(config)]
    if settings.database_url:
        found += loop()(_asked(settings, production=production))
    elif settings.database.exists():
        with in_sentences(settings):
            if not settings.root_key:
                check_key(settings.root_key_file, settings.database)
            found += loop()(_looked_up(settings, production=production))
    for one in found:
        typer.echo(one)
    if not found:
        typer.echo("Nothing is missing." if not production else "Nothing is missing and nothing looks unsafe.")
    return 1 if found else 0


def run_migrate(settings: Settings, *, pre: bool = True, post: bool = True) -> None:
    """Bring the schema up to date, or one step of it, and print what was applied."""
    steps = (PRE,) * pre + (POST,) * post

    async def bring() -> list[str]:
        engine = open_engine(settings.database_url, settings.database)
        try:
            if POST in steps and PRE not in steps and (names := await missing(engine, (PRE,))):
                raise CannotStart(f"{', '.join(names)} add first: run `opengiro migrate --pre`.")
            return await migrate(engine, steps)
        finally:
            await engine.close()

    with in_sentences(settings):
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not settings.root_key and not settings.database_url:
            check_key(settings.root_key_file, settings.database)
            open_vault(settings.root_key_file)
        applied = loop()(bring())
    typer.echo("\n".join(f"Applied {name}." for name in applied) or "The schema is up to date.")


def _missing(settings: Settings) -> Iterator[str]:
    if settings.database_url:
        if not settings.root_key and not settings.root_key_file.exists():
            yield f"There is no root key: set it, or put the one of the other machines into {settings.root_key_file}."
    elif not settings.database.exists():
        yield f"There is no database in {settings.data}: `opengiro migrate` or the first start makes it."
    elif not os.access(settings.database, os.W_OK) or not os.access(settings.data, os.W_OK | os.X_OK):
        yield f"{settings.data} cannot be written by this user."


def _unsafe(settings: Settings) -> Iterator[str]:
    if not settings.base_url.startswith("https:"):
        yield f"base_url is {settings.own_url}: payers and secrets would pass unencrypted; it has to be https."
    if not is_loopback(settings.host) and all(map(is_loopback, settings.proxies)):  # else one elsewhere has to reach it
        yield f"host is {settings.host}, so the server can be reached past the proxy that speaks TLS: use 127.0.0.1."
    if settings.metrics_port and not is_loopback(settings.metrics_host):
        yield f"metrics_host is {settings.metrics_host}: whoever reaches that port reads how your business goes."
    if "*" in settings.private_hosts:
        yield 'private_hosts has "*": whoever may register a webhook reaches every host of your network.'
    elif settings.private_hosts:
        yield f"private_hosts lets webhooks into your network: {', '.join(sorted(settings.private_hosts))}."
    if everybody := [one for one in settings.proxies if ip_network(one).prefixlen == 0]:
        yield f"proxies has {everybody[0]}: every visitor may claim any address, and banks are told that one."
    if settings.hold == "never":
        yield 'hold is "never": a copy or a restored backup would pay and tell a second time; use "copies".'
    if not settings.requests_at_once:
        yield "requests_at_once is 0: when too much comes at once, nothing is answered in time."
    if not settings.data.is_absolute():
        yield f"data is {settings.data}, which depends on the working folder: name a whole path."


def _exposed(settings: Settings) -> Iterator[str]:
    if not settings.data.exists():
        return
    for path in (settings.data, *(settings.data / name for name in _KEYS)):
        if path.exists() and _open_to_others(path):
            mode = "700" if path.is_dir() else "600"
            yield f"{path} is open to other users of this machine: `chmod {mode} {path}`."


def _told(config: Path) -> Iterator[str]:
    """A settings file may belong to a group, but its secrets are nobody else's."""
    if not config.exists() or os.name != "posix" or not config.stat().st_mode & stat.S_IROTH:
        return
    secrets = SECRETS & tomllib.loads(config.read_text(encoding="utf-8")).keys()
    if secrets:
        yield f"{config} holds {' and '.join(sorted(secrets))}, and every user here can read it: `chmod 640`."


def _open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


async def _asked(settings: Settings, *, production: bool) -> list[str]:
    """Say what is wrong with the PostgreSQL server, and with what is in it."""
    from opengiro.cli.postgres import unsafe, unusable  # noqa: PLC0415  # a laptop starts without its driver
    from opengiro.store.engines.survey import survey  # noqa: PLC0415  # as above

    try:
        server = await survey(settings.database_url)
        found = [*unusable(server), *(unsafe(server, settings) if production else ())]
        if server.primary and (settings.root_key or settings.root_key_file.exists()):
            found += await _looked_up(settings, production=production)
    except Exception as trouble:
        if (said := sentence(trouble, settings)) is None:
            raise
        return [said]
    return found


async def _looked_up(settings: Settings, *, production: bool) -> list[str]:
    engine = open_engine(settings.database_url, settings.database)
    vault = open_vault(settings.root_key_file, settings.root_key)
    store = Store(engine, vault)
    try:
        if found := await _outdated(engine, production=production):
            return found
        await store.prove_key()
        await store.banks.load()
        await store.home.load()
        found += [text for text in (said(store),) if text]
        if not await store.merchants.all():
            found.append("There is no merchant: `opengiro merchant create` makes one.")
        if not store.banks.all():
            found.append("There is no bank in the directory: `opengiro bank import` adds some.")
        if production:
            found += _invented(store.banks.all())
            merchants = await store.merchants.all()
            found += [f"The clock of {one.name} was moved." for one, offset in merchants if offset]
            if len(merchants) > 1 and not (settings.writes_per_s and settings.reads_per_s):
                text = "one can slow down the others: set writes_per_s and reads_per_s."
                found.append(f"There are {len(merchants)} merchants, and {text}")
        return found
    finally:
        await store.close()


async def _outdated(engine: Engine, *, production: bool) -> list[str]:
    if names := await missing(engine, (PRE,)):
        return [f"The schema lacks {', '.join(names)}: run `opengiro migrate`."]
    if names := await unknown(engine):
        return [f"A later version was here, and brought {', '.join(names)}: run that version."]
    if production and (names := await missing(engine, (POST,))):
        return [f"{', '.join(names)} can go: once no older version runs, `opengiro migrate --post`."]
    return []


def _invented(banks: Iterable[Bank]) -> Iterator[str]:
    for bank in banks:
        if bank.connector == "test_bank":
            yield f"{bank.name} is in the directory: it is the wire's test bank, and pays nobody."
        elif is_loopback(urlsplit(bank.base_url).hostname or "") or "sandbox" in bank.base_url:
            yield f"{bank.name} is in the directory: {bank.base_url} is a sandbox, and pays nobody."
        elif not bank.base_url.startswith("https:"):
            yield f"{bank.name} is in the directory without https: {bank.base_url}."
