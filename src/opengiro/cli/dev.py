"""`opengiro dev`: the whole world on a laptop, in one process on one port, with nothing to fill in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opengiro_sandbox
import uvicorn
from opengiro_sandbox.banks import entry
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from opengiro.cli.directory import sandbox_banks, test_bank
from opengiro.domain.identifiers import client_id as draw_client_id
from opengiro.domain.identifiers import merchant_of
from opengiro.domain.merchants import Application, Merchant
from opengiro.domain.refusals import Refused
from opengiro.domain.rights import Right
from opengiro.settings import Settings
from opengiro.usecases.authenticate import authenticate, require
from opengiro.usecases.grant_token import grant_configuration_token
from opengiro.usecases.move_clock import move_clock

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.usecases import Core

MERCHANT_ID = 1
DOMAIN = "demo-sandbox"
_SHUTDOWN_S = 3


def run_dev(assembly: Assembly, port: int, data: Path, *, open_browser: bool) -> int:
    """Serve until interrupted; return the exit code. A port in use is said in one sentence."""
    listener = _listen(port)
    if listener is None:
        print(f"Port {port} is already in use: stop what runs there, or choose another with --port.", file=sys.stderr)
        return 1
    settings = Settings(data=data, port=port, private_hosts=frozenset({"*"}))
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn_loop()(_serve(assembly, settings, listener, open_browser=open_browser))
    return 0


def uvicorn_loop() -> Any:
    """Return what runs a coroutine: uvloop where it exists."""
    if find_spec("uvloop") is None:
        return asyncio.run
    import uvloop  # not on every system

    return uvloop.run


async def _serve(assembly: Assembly, settings: Settings, listener: socket.socket, *, open_browser: bool) -> None:
    async with assembly.open_core(settings) as core, assembly.working(core, settings):
        world = await _settle_in(core, settings)
        _save(settings.data / "dev.json", world)
        app = assembly.web_app(core, settings, _neighbours(core, settings, world))
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # request lines hold tokens
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )
        _greet(world, open_browser=open_browser)
        await server.serve(sockets=[listener])


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        return None
    listener.listen(2048)
    return listener


async def _settle_in(core: Core, settings: Settings) -> dict[str, Any]:
    """Make the demo merchant and its credentials on the first start, and return what `dev.json` says."""
    await core.store.banks.save([test_bank(), *sandbox_banks(map(_listed(settings), opengiro_sandbox.BANKS))])
    if await core.store.merchants.load(MERCHANT_ID) is None:
        merchant = Merchant(
            merchant_id=MERCHANT_ID,
            domain=DOMAIN,
            name="Brise & Fils",
            legal_name="Brise et Fils SARL",
            zone="Europe/Paris",
        )
        await core.store.merchants.save(merchant, core.clock.real())
    known = _load(settings.data / "dev.json").get("powens", {})
    application, secret = await _application(core, settings, known)
    return {
        "base_url": settings.own_url,
        "shop_url": f"{settings.own_url}/shop",
        "inbox_url": f"{settings.own_url}/inbox",
        "powens": {
            "base_url": f"{settings.own_url}/2.0",
            "domain": DOMAIN,
            "client_id": application.client_id,
            "client_secret": secret,
            "config_token": await _config_token(core, known.get("config_token", "")),
            "redirect_uris": list(application.redirect_uris),
        },
    }


async def _application(core: Core, settings: Settings, known: dict[str, Any]) -> tuple[Application, str]:
    """Return the demo application with its secret, which only `dev.json` knows; without it a new one is made."""
    fingerprint = core.store.vault.fingerprint
    listed = await core.store.applications.all(MERCHANT_ID)
    found = next((one for one in listed if one.client_id == known.get("client_id")), None)
    secret = known.get("client_secret", "")
    if found is not None and secret and fingerprint(secret) == found.secret_hash:
        return found, secret
    secret = secrets.token_urlsafe(32)
    application = Application(
        merchant_id=MERCHANT_ID,
        client_id=draw_client_id(MERCHANT_ID, core.chance(4)),
        name="Demo shop",
        redirect_uris=_redirect_uris(settings),
        secret_hash=fingerprint(secret),
        created_at=core.clock.real(),
    )
    await core.store.applications.insert(application, "opengiro dev")
    return application, secret


def _redirect_uris(settings: Settings) -> tuple[str, ...]:
    hosts = (settings.own_url, f"http://localhost:{settings.port}")
    return tuple(f"{host}{path}" for host in hosts for path in ("/shop/return", "/inbox/callback"))


async def _config_token(core: Core, known: str) -> str:
    if merchant_of(known) is not None and await core.store.tokens.load(known) is not None:
        return known
    return await grant_configuration_token(core, MERCHANT_ID)


def _listed(settings: Settings) -> Any:
    return lambda bank: {**entry(bank, f"{settings.own_url}/sandbox", bank.health)}


def _neighbours(core: Core, settings: Settings, world: dict[str, Any]) -> Sequence[BaseRoute]:
    """Return what a laptop runs beside the server: the banks, the shop, the inbox and the clock's lever."""
    banks = opengiro_sandbox.build(settings.data, f"{settings.own_url}/sandbox", lambda: core.now(MERCHANT_ID))
    routes: list[BaseRoute] = [
        Route("/", _home(world)),
        Route("/dev/time", _lever(core), methods=["POST"]),
        Mount("/sandbox", banks),
    ]
    if find_spec("demo_shop"):
        import demo_shop  # a program of its own, which a server without it does not miss
        from opengiro_kit.powens import Credentials

        credentials = Credentials(**{**world["powens"], "redirect_uris": tuple(world["powens"]["redirect_uris"])})
        shop = demo_shop.build(
            settings.data / "shop", world["shop_url"], credentials, now=lambda: core.now(MERCHANT_ID)
        )
        routes.append(Mount("/shop", shop))
    return routes


def _home(world: dict[str, Any]) -> Any:
    async def home(request: Request) -> Response:
        return RedirectResponse(world["shop_url"] + "/")

    return home


def _lever(core: Core) -> Any:
    async def move(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            principal = await authenticate(core, token)
            require(principal, Right.CONFIGURE)
            asked = json.loads(await request.body())["move_s"]
            step = None if asked is None else timedelta(seconds=int(asked))
            now = await move_clock(core, principal.merchant_id, step)
        except Refused:
            return JSONResponse({"error": "the config token of dev.json opens this"}, 401)
        except (ValueError, KeyError, TypeError, OverflowError):
            return JSONResponse({"error": 'expected {"move_s": seconds or null}'}, 400)
        return JSONResponse({"now": now.isoformat(timespec="seconds")})

    return move


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _save(path: Path, world: dict[str, Any]) -> None:
    """Write `dev.json` at once or not at all, readable by its owner only: it holds secrets."""
    draft = path.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(world, file, indent=2)
    draft.replace(path)


def _greet(world: dict[str, Any], *, open_browser: bool) -> None:
    print(f"Demo shop   {world['shop_url']}/")
    print(f"Webhooks    {world['inbox_url']}")
    print(f"API         {world['powens']['base_url']}   (credentials in dev.json)")
    print("Press Ctrl+C to stop.", flush=True)
    if open_browser:
        threading.Timer(1, webbrowser.open, [world["shop_url"] + "/"]).start()
