"""`opengiro dev`: the whole world on a laptop, in one process on one port, with nothing to fill in."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import sys
import threading
import webbrowser
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from cryptography.exceptions import InvalidTag
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

import opengiro_sandbox
from opengiro.cli.arrivals import Arrivals
from opengiro.cli.banq import settle_banq
from opengiro.cli.credentials import MERCHANT_ID, load_world, save_world, settle_in
from opengiro.cli.directory import sandbox_banks, test_bank
from opengiro.cli.home import home
from opengiro.cli.inbox import Inbox, enrol
from opengiro.cli.pages import has_shop, static_route
from opengiro.cli.phone import phone
from opengiro.cli.server import CannotStart, Server, alone, check_key, listening, loop
from opengiro.domain.refusals import Refused
from opengiro.domain.rights import Right
from opengiro.settings import Settings
from opengiro.usecases.authenticate import authenticate, require
from opengiro.usecases.move_clock import move_clock
from opengiro_sandbox.banks import entry

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.usecases import Core

_SHUTDOWN_S = 1


def run_dev(assembly: Assembly, port: int, data: Path, *, open_browser: bool) -> int:
    """Serve until interrupted; return the exit code. What is in the way is said in one sentence."""
    try:
        with listening("127.0.0.1", port) as listener, alone(data, "dev"), contextlib.suppress(KeyboardInterrupt):
            settings = Settings(data=data, port=port, private_hosts=frozenset({"*"}), log_requests=False, hold="never")
            known = _known(data)
            loop()(_serve(assembly, settings, known, listener, open_browser=open_browser))
    except CannotStart as trouble:
        typer.echo(trouble, err=True)
        return 1
    except sqlite3.DatabaseError as trouble:
        typer.echo(f"A database in {data} cannot be used: {trouble}.", err=True)
        return 1
    except InvalidTag:
        typer.echo(f"{data / 'root.key'} does not open {data / 'opengiro.db'}: they belong together.", err=True)
        return 1
    return 0


def _known(data: Path) -> dict[str, Any]:
    """Return what the last start left in `dev.json`, once it and the root key look like ours."""
    path = data / "dev.json"
    check_key(data / "root.key")
    try:
        return load_world(path)
    except OSError as trouble:
        raise CannotStart(f"{trouble.filename} cannot be read: {trouble.strerror}.") from None
    except ValueError as trouble:
        raise CannotStart(f"{path} is broken ({trouble}): mend it, or delete it to get new credentials.") from None


async def _serve(
    assembly: Assembly, settings: Settings, known: dict[str, Any], listener: socket.socket, *, open_browser: bool
) -> None:
    async with assembly.open_core(settings) as core:
        banks = sandbox_banks(
            entry(bank, f"{settings.own_url}/sandbox", bank.health) for bank in opengiro_sandbox.BANKS
        )
        await core.store.banks.save([test_bank(), *banks])
        world = await settle_in(core, known) | await settle_banq(core, MERCHANT_ID, known)
        if not has_shop():
            world["shop_url"] = ""
        auth_id = await enrol(core, MERCHANT_ID)
        save_world(settings.data, world)
        with contextlib.closing(Arrivals(settings.data / "inbox.db")) as arrivals:
            inbox = Inbox(core, MERCHANT_ID, auth_id, arrivals)
            pages = [home(core, MERCHANT_ID, world, banks), *inbox.routes(), *phone(core), static_route()]
            app = assembly.web_app(core, settings, [*pages, *_neighbours(core, settings, world)])
            async with assembly.working(core, settings):
                ready = partial(_greet, core, world, settings, open_browser=open_browser)
                await Server(app, ready, _SHUTDOWN_S).serve([listener])


def _neighbours(core: Core, settings: Settings, world: dict[str, Any]) -> Sequence[BaseRoute]:
    """Return what a laptop runs beside the server: the banks, the shop and the clock's lever."""
    banks = opengiro_sandbox.build(settings.data, f"{settings.own_url}/sandbox", lambda: core.now(MERCHANT_ID))
    routes: list[BaseRoute] = [Route("/dev/time", _lever(core), methods=["POST"]), Mount("/sandbox", banks)]
    if world["shop_url"]:
        import demo_shop  # noqa: PLC0415  # a program of its own, which a server without it does not miss

        shop = demo_shop.build(
            settings.data / "shop",
            world["shop_url"],
            demo_shop.read_settings(world),
            now=lambda: core.now(MERCHANT_ID),
        )
        routes.append(Mount("/shop", shop))
    return routes


def _lever(core: Core) -> Any:
    async def move(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            principal = await authenticate(core, token)
            require(principal, Right.CONFIGURE)
            asked = json.loads(await request.body())["move_s"]
            now = await move_clock(core, principal.merchant_id, _step(asked))
        except Refused:
            return JSONResponse({"error": "the config token of dev.json opens this"}, 401)
        except (KeyError, TypeError, json.JSONDecodeError):
            return JSONResponse({"error": 'expected {"move_s": seconds or null}'}, 400)
        except (ValueError, OverflowError) as trouble:
            return JSONResponse({"error": str(trouble)}, 400)
        return JSONResponse({"now": now.isoformat(timespec="seconds")})

    return move


def _step(asked: object) -> timedelta | None:
    if asked is None:
        return None
    if not isinstance(asked, int) or asked < 0:
        raise ValueError("a clock goes forward by whole seconds, or back to real time with null")
    return timedelta(seconds=asked)


def _greet(core: Core, world: dict[str, Any], settings: Settings, *, open_browser: bool) -> None:
    shop = f"{world['shop_url']}/" if world["shop_url"] else "not installed: it comes with the source, as examples/shop"
    typer.echo(f"Demo shop   {shop}")
    typer.echo(f"Webhooks    {world['inbox_url']}")
    typer.echo(f"API         {world['powens']['base_url']}   (credentials in {settings.data / 'dev.json'})")
    typer.echo(f"All else    {world['base_url']}/")
    if core.clock.offset(MERCHANT_ID):
        now = core.now(MERCHANT_ID).isoformat(timespec="seconds")
        typer.echo(f"The clock was moved earlier: it is now {now} here. `opengiro time now` brings it back.")
    typer.echo("Press Ctrl+C to stop.")
    if open_browser and _has_desktop():
        first = (world["shop_url"] or world["base_url"]) + "/"
        threading.Thread(target=webbrowser.open, args=(first,), daemon=True).start()


def _has_desktop() -> bool:
    """Tell whether a browser window can open; without one a browser for terminals would take this one over."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
