"""The sandbox as one ASGI app: the banks' interfaces, their pages, and the sandbox's levers."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette

from opengiro_sandbox import control, pages, xs2a
from opengiro_sandbox.book import Book
from opengiro_sandbox.clock import Clock
from opengiro_sandbox.desk import Desk


def build(data: Path, base_url: str, now: Callable[[], datetime]) -> Starlette:
    """Return the banks as an ASGI app whose state lives in `data/sandbox.db`.

    Args:
        data: The folder for the book; it is created when missing.
        base_url: Where the app is reached from outside, mount path included; all links start with it.
        now: The banks' clock, in aware UTC; it may jump.
    """
    return assemble(Book(data / "sandbox.db"), base_url, now, None)


def build_alone(data: Path, base_url: str) -> Starlette:
    """Return the banks with a clock of their own, which POST /control/time moves."""
    book = Book(data / "sandbox.db")
    clock = Clock(book)
    return assemble(book, base_url, clock.now, clock)


def assemble(book: Book, base_url: str, now: Callable[[], datetime], clock: Clock | None) -> Starlette:
    """Return the app over an open book."""
    desk = Desk(book, base_url.rstrip("/"), now)
    return Starlette(routes=[*control.routes(desk, clock), *xs2a.routes(desk), *pages.routes(desk)])
