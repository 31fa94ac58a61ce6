"""A PostgreSQL server of the tests' own: started once a test process, and gone with it.

It does not wait for its disk, so it proves nothing about durability; what does makes a server of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from pathlib import Path
from types import MappingProxyType

import pytest

from opengiro.store.engines.postgres import Postgres
from opengiro.store.migrate import migrate
from tests.ports import free_port

BINARIES = "/usr/lib/postgresql/*/bin"
USER = "postgres"
MISSING = "PostgreSQL 15 or newer is not here; tools/postgres says how to install it"
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
_GUARD = """
read -r _ && exit
kill -INT "$1"
while kill -0 "$1"; do sleep 0.1; done
rm -rf "$2"
"""
"""What ends a server and deletes its data when the test process died without doing so: its input ends then."""


def binary(name: str) -> str | None:
    """Return the newest installed program of this name."""
    if on_path := shutil.which(name):
        return on_path
    found = sorted(Path("/").glob(f"{BINARIES.lstrip('/')}/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else None


def new_database(*, empty: bool = False) -> str:
    """Return the URL of a database that nobody else uses, with our schema unless it has to be empty."""
    name = f"test{next(_numbers)}"
    template = "template1" if empty else _template()
    running().shell(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return f"{running().url}/{name}"


def drop_database(url: str) -> None:
    """Forget a database that no test needs any more: each takes nine megabytes of memory."""
    running().shell(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")


def files_of(url: str) -> list[Path]:
    """Return the files of a database, with everything in them that is committed."""
    name = url.rpartition("/")[2]
    number = running().sql(f"SELECT oid FROM pg_database WHERE datname = '{name}'")  # noqa: S608  # our own name
    running().sql("CHECKPOINT")
    return sorted((running().folder / "data" / "base" / number).iterdir())


@cache
def running() -> Server:
    """Return the server, started the first time; without PostgreSQL a developer's run skips and a build fails."""
    if binary("postgres") is None and os.environ.get("CI") != "true":
        pytest.skip(MISSING)
    server = new_server()
    server.start()
    atexit.register(server.remove)
    return server


def new_server(settings: Mapping[str, str] = MappingProxyType({})) -> Server:
    """Return a server that does not run yet, with other settings than the tests' own."""
    return Server(Path(tempfile.mkdtemp(prefix="opengiro-pg-")), {**_FAST, **settings})


@cache
def _template() -> str:
    """Return the name of a database with our schema, which others are copied from."""
    url = new_database(empty=True)
    migrated(url)
    return url.rpartition("/")[2]


def migrated(url: str) -> None:
    """Bring an empty database to our schema."""

    async def prepare() -> None:
        engine = Postgres(url)
        await migrate(engine)
        await engine.close()

    with ThreadPoolExecutor(1) as apart:  # the caller may have a running event loop
        apart.submit(lambda: asyncio.run(prepare())).result()


class Server:
    """A server in a folder of its own; as root it runs as another user, because PostgreSQL insists."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        """Make the cluster; it does not run yet."""
        self.folder = folder
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        self.port = free_port()
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N", "--locale=C.UTF-8")
        lines = [f"{name} = '{value}'" for name, value in {**settings, "port": str(self.port)}.items()]
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._shell: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is, without a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}"

    def start(self, within_s: float = 30) -> None:
        """Start it and wait until it answers."""
        command = [_needed("postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as)  # type: ignore[call-overload]
        self._watch(self._process.pid)
        deadline = time.monotonic() + within_s
        while subprocess.run(self._ready(), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions and keeps everything, SIGQUIT is a crash."""
        if self._shell:
            self._shell.communicate(timeout=30)
            self._shell = None
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)
        if self._guard:
            self._guard.communicate(b"\n", timeout=30)
            self._guard = None

    def remove(self) -> None:
        """Stop it and forget its data; a crash would leave shared memory behind that nobody cleans up."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a statement as a superuser and return what it printed, columns apart by a bar."""
        command = [_needed("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, f"{self.url}/{database}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def shell(self, text: str) -> None:
        """Run a statement in a session that stays open: starting psql takes longer than most statements."""
        if self._shell is None:
            command = [_needed("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", f"{self.url}/postgres"]
            self._shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{text};\n\\echo done\n")
        self._shell.stdin.flush()
        if self._shell.stdout.readline() != "done\n":
            self._shell = None
            raise RuntimeError(f"PostgreSQL did not do it: {text}")

    def _watch(self, server: int) -> None:
        command = ["sh", "-c", _GUARD, "sh", str(server), str(self.folder)]
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _ready(self) -> list[str]:
        return [_needed("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run([_needed(name), *arguments], capture_output=True, check=True, cwd="/", **self._as)  # type: ignore[call-overload]


def _needed(name: str) -> str:
    found = binary(name)
    if found is None:
        raise RuntimeError(f"{MISSING} ({name})")
    return found
