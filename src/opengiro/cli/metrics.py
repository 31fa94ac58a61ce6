"""A second, small server beside the real one, for whoever measures: on a port of its own, off unless asked for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import uvicorn

from opengiro.cli.server import CannotStart

if TYPE_CHECKING:
    from opengiro.cli import Assembly
    from opengiro.settings import Settings
    from opengiro.usecases import Core

_PORTS = 100
"""So many are tried, from the first on: each process of this machine takes one."""


@contextlib.asynccontextmanager
async def offering_metrics(assembly: Assembly, core: Core, settings: Settings) -> AsyncIterator[None]:
    """Let Prometheus fetch what this process measures for as long as the block lasts, if that is wanted."""
    if not settings.metrics_port:
        yield
        return
    with _first_free(settings.metrics_host, settings.metrics_port) as listener:
        config = uvicorn.Config(
            assembly.metrics(core), lifespan="off", log_level="warning", access_log=False, server_header=False
        )
        server = _Beside(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def _first_free(host: str, port: int) -> socket.socket:
    for number in range(port, min(port + _PORTS, 65_536)):
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen(16)
        except OSError:
            listener.close()
        else:
            return listener
    raise CannotStart(f"No port of {host} from {port} on is free for metrics: choose another metrics_port.")


class _Beside(uvicorn.Server):
    """Leaves signals to the server it stands beside."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
