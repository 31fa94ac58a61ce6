"""Ports for programs that are told one, rather than choosing one when they start.

A port that the kernel names and takes back may belong to somebody else by the time the program listens. So
these come from below what the kernel hands out by itself, and each process of the tests has a stretch of its own.
"""

import itertools
import os
import socket

_FIRST = 20_000  #: the kernel of Linux hands out 32,768 and above, that of macOS 49,152 and above
_STRETCH = 1_000
_STRETCHES = 12

_mine = _FIRST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _STRETCHES * _STRETCH
_next = itertools.count(os.getpid())  # two runs at once on a machine hardly ever meet


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that nobody else in this run will be given."""
    for number in itertools.islice(_next, _STRETCH):
        port = _mine + number % _STRETCH
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"every port from {_mine} to {_mine + _STRETCH - 1} is taken")
