"""A PostgreSQL server of the tests' own: started once a test process, in memory, and gone with it.

It does not wait for a disk, so it proves nothing about durability; what does is under tests/faults.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from itertools import count
from pathlib import Path

BINARIES = "/usr/lib/postgresql/*/bin"
MEMORY = Path("/dev/shm")  # noqa: S108  # nothing in it has to last
USER = "postgres"
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
_numbers = count()


def binary(name: str) -> str | None:
    """Return the newest installed program of this name."""
    if on_path := shutil.which(name):
        return on_path
    found = sorted(Path("/").glob(f"{BINARIES.lstrip('/')}/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else None


def new_database() -> str:
    """Return the URL of an empty database that nobody else uses."""
    server = running()
    name = f"test{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name}")
    return f"{server.url}/{name}"


@cache
def running() -> Server:
    """Return the server, started the first time."""
    server = Server(Path(tempfile.mkdtemp(prefix="opengiro-pg-", dir=MEMORY if MEMORY.is_dir() else None)), _FAST)
    server.start()
    atexit.register(server.remove)
    return server


class Server:
    """A server in a folder of its own; as root it runs as another user, because PostgreSQL insists."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        """Make the cluster; it does not run yet."""
        self.folder = folder
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N", "--locale=C.UTF-8")
        lines = [f"{name} = '{value}'" for name, value in {**settings, "port": str(self.port)}.items()]
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, without a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}"

    def start(self, within_s: float = 30) -> None:
        """Start it and wait until it answers."""
        command = [_needed("postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as)  # type: ignore[call-overload]
        deadline = time.monotonic() + within_s
        while subprocess.run(self._ready(), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions and keeps everything, SIGQUIT is a crash."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)

    def remove(self) -> None:
        """Stop it and forget its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a statement as a superuser and return what it printed, columns apart by a bar."""
        command = [_needed("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, f"{self.url}/{database}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _ready(self) -> list[str]:
        return [_needed("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run([_needed(name), *arguments], capture_output=True, check=True, cwd="/", **self._as)  # type: ignore[call-overload]


def _needed(name: str) -> str:
    found = binary(name)
    if found is None:
        raise RuntimeError(f"{name} of PostgreSQL 15 or newer is not here; Debian: apt-get install postgresql")
    return found
