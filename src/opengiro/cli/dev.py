"""`opengiro dev`: the whole world on a laptop, in one process on one port, with nothing to fill in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sqlite3
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import uvicorn
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
from opengiro.cli.pages import static_route
from opengiro.cli.phone import phone
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
_STUCK_MS = 30_000
_KEY_BYTES = 32


class CannotStart(Exception):
    """Something of this machine is in the way; the message is a sentence for whoever started us."""


def run_dev(assembly: Assembly, port: int, data: Path, *, open_browser: bool) -> int:
    """Serve until interrupted; return the exit code. What is in the way is said in one sentence."""
    try:
        with _listening(port) as listener, _alone(data), contextlib.suppress(KeyboardInterrupt):
            settings = Settings(data=data, port=port, private_hosts=frozenset({"*"}))
            known = _known(data)
            _loop()(_serve(assembly, settings, known, listener, open_browser=open_browser))
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


def _loop() -> Any:
    """Return what runs a coroutine: uvloop where it exists."""
    if find_spec("uvloop") is None:
        return asyncio.run
    import uvloop  # noqa: PLC0415  # not on every system

    return uvloop.run


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted connections inherit it: who stops reading is dropped
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_MS)
        try:
            listener.bind(("127.0.0.1", port))
        except PermissionError:
            raise CannotStart(f"Port {port} is not ours to take: choose one above 1023 with --port.") from None
        except OSError:
            text = f"Port {port} is already in use: stop what runs there, or choose another with --port."
            raise CannotStart(text) from None
        listener.listen(2048)
        yield listener


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the folder for this process: two would give out the same work twice."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "dev.lock").open("a")
    except OSError as trouble:
        raise CannotStart(f"{data} cannot keep our data: {trouble.strerror}.") from None
    with file:
        if find_spec("fcntl"):
            import fcntl  # noqa: PLC0415  # not on every system

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = (
                    f"Another `opengiro dev` keeps its data in {data}: stop it, or choose another folder with --data."
                )
                raise CannotStart(text) from None
        yield


def _known(data: Path) -> dict[str, Any]:
    """Return what the last start left in `dev.json`, once it and the root key look like ours."""
    path, key = data / "dev.json", data / "root.key"
    try:
        if key.exists() and len(key.read_bytes()) != _KEY_BYTES:
            raise CannotStart(f"{key} is not a root key, which has {_KEY_BYTES} bytes: put the right one back.")
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
        auth_id = await enrol(core, MERCHANT_ID)
        save_world(settings.data, world)
        with contextlib.closing(Arrivals(settings.data / "inbox.db")) as arrivals:
            inbox = Inbox(core, MERCHANT_ID, auth_id, arrivals)
            pages = [home(core, MERCHANT_ID, world, banks), *inbox.routes(), *phone(core), static_route()]
            app = assembly.web_app(core, settings, [*pages, *_neighbours(core, settings, world)])
            async with assembly.working(core, settings):
                await _Server(app, lambda: _greet(core, world, settings, open_browser=open_browser)).serve([listener])


class _Server(uvicorn.Server):
    """Says when it is ready, and ends quickly and quietly when asked to, whoever is still connected."""

    def __init__(self, app: Any, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_level="warning",
                access_log=False,  # request lines hold tokens
                server_header=False,
                ws_per_message_deflate=False,  # it would cost more memory than our messages have bytes
                ws_max_size=4096,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The original raises the signal again at the end, which would kill us before the database is closed.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        yield

    def _stop(self, number: int) -> None:
        # Who waits for a bank that keeps silent is cancelled; those tracebacks would tell nothing.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.handle_exit(number, None)


def _neighbours(core: Core, settings: Settings, world: dict[str, Any]) -> Sequence[BaseRoute]:
    """Return what a laptop runs beside the server: the banks, the shop and the clock's lever."""
    banks = opengiro_sandbox.build(settings.data, f"{settings.own_url}/sandbox", lambda: core.now(MERCHANT_ID))
    routes: list[BaseRoute] = [Route("/dev/time", _lever(core), methods=["POST"]), Mount("/sandbox", banks)]
    if find_spec("demo_shop"):
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
    typer.echo(f"Demo shop   {world['shop_url']}/")
    typer.echo(f"Webhooks    {world['inbox_url']}")
    typer.echo(f"API         {world['powens']['base_url']}   (credentials in {settings.data / 'dev.json'})")
    typer.echo(f"All else    {world['base_url']}/")
    if core.clock.offset(MERCHANT_ID):
        now = core.now(MERCHANT_ID).isoformat(timespec="seconds")
        typer.echo(f"The clock was moved earlier: it is now {now} here. `opengiro time now` brings it back.")
    typer.echo("Press Ctrl+C to stop.")
    if open_browser and _has_desktop():
        threading.Thread(target=webbrowser.open, args=(world["shop_url"] + "/",), daemon=True).start()


def _has_desktop() -> bool:
    """Tell whether a browser window can open; without one a browser for terminals would take this one over."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
