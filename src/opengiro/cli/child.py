"""One process of `opengiro serve --workers N`: it serves on a socket that its parent holds, or it works."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from opengiro.cli.line import Parent, Role
from opengiro.cli.sentences import in_sentences
from opengiro.cli.serve import serve
from opengiro.cli.server import loop
from opengiro.cli.worker import work

if TYPE_CHECKING:
    from opengiro.cli import Assembly


def run_child(assembly: Assembly, role: Role, descriptors: list[int]) -> int:
    """Be a child: `descriptors` are those of the line to the parent and, to serve, of the listener."""
    parent = Parent(descriptors[0])
    settings = parent.settings()

    async def live() -> None:
        stop = asyncio.Event()
        parent.when_gone(stop.set)
        if role is Role.WORK:
            await work(assembly, settings, parent.tell_ready, stop)
        else:
            listener = socket.socket(fileno=descriptors[1])
            await serve(assembly, settings, listener, parent.tell_ready, works=False, stop=stop)

    with in_sentences(settings), contextlib.suppress(KeyboardInterrupt):
        loop()(live())
    return 0
