"""The real nginx on loopback with the very file that we ship: only addresses, certificate and places differ."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

SHIPPED = Path(__file__).parents[1] / "deploy/nginx/opengiro.conf"
MISSING = "nginx is not here; tools/nginx says how to install it"
_PATIENCE_S = 20
_BATCH = ("chrt", "--batch", "0")
_KEPT = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_MAIN = """
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid nginx.pid;
error_log error.log crit;
events {{ worker_connections 8192; }}
http {{
    {places}
    include opengiro.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate and its key."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Proxy:
    """An nginx that runs."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it is, over TLS."""
        return f"https://127.0.0.1:{self.port}"

    def pids(self) -> list[int]:
        """Return the process ids of nginx and of its workers."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def binary() -> str | None:
    """Return the program, which Debian keeps where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextlib.contextmanager
def proxying(
    folder: Path, server: int, certificate: Certificate | None = None, room: int = 64, *, batch: bool = False
) -> Iterator[Proxy]:
    """Stand before the server, on a port of loopback, with room for so many new requests; a certificate means TLS.

    In a `batch` it waits for its turn when there is something to do, and interrupts nobody.
    """
    program = binary()
    if program is None:
        raise RuntimeError(MISSING)
    port = free_port()
    _write(folder, _adapted(SHIPPED.read_text(), port, server, certificate, room))
    with (folder / "printed.txt").open("wb") as printed:
        command = [*(_BATCH if batch else ()), program, "-e", "error.log", "-p", f"{folder}/", "-c", "nginx.conf"]
        process = subprocess.Popen(command, stdout=printed, stderr=printed)
    try:
        _await(process, port, folder)
        yield Proxy(port, process)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _adapted(text: str, port: int, server: int, certificate: Certificate | None, room: int) -> str:
    text = _replaced(text, r"listen \[::\]:443 ssl;", "")
    text = _replaced(text, r"listen 443 ssl;", f"listen 127.0.0.1:{port}{' ssl' if certificate else ''};")
    text = _replaced(text, r"(ssl_certificate) .*;", rf"\1 {certificate.chain};" if certificate else "")
    text = _replaced(text, r"(ssl_certificate_key) .*;", rf"\1 {certificate.key};" if certificate else "")
    text = _replaced(text, r"/var/log/nginx/", "")
    text = _replaced(text, r"max_conns=64", f"max_conns={room}")
    return _replaced(text, r"127\.0\.0\.1:8000", f"127.0.0.1:{server}")


def _replaced(text: str, pattern: str, by: str) -> str:
    """Replace a pattern; what is not there would leave what is run unlike what is meant."""
    changed, times = re.subn(pattern, by, text)
    if not times:
        raise ValueError(f"{SHIPPED} has nothing like {pattern}")
    return changed


def _write(folder: Path, conf: str) -> None:
    places = "\n    ".join(f"{name}_temp_path {name};" for name in _KEPT)
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is for nobody else
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "opengiro.conf").write_text(conf)
    (folder / "nginx.conf").write_text(_MAIN.format(user=user, places=places))


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {(folder / 'printed.txt').read_text()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError("nginx does not listen")
