"""Serving an ASGI application on a free loopback port, in a thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """Serve the application made for a base URL, and yield that URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make(base_url), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield base_url
        finally:
            server.should_exit = True
            thread.join(10)


def wait_until(happened: Callable[[], bool], within_s: int = 10) -> None:
    """Wait for something that another thread brings about."""
    until = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.02)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server under test did not start")
        time.sleep(0.01)
