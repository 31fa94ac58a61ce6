"""Several real processes on one database: on PostgreSQL as on several machines, on SQLite as those of one server.

Each machine has a folder and a port of its own. A SQLite file is in one folder that they share.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2

from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.operator import MERCHANT, REDIRECT_URI, Site, new_site
from tests.engines import ENGINE
from tests.postgres import Server
from tests.server import order

ROOT_KEY = "5e" * 32
PATIENCE_S = 60
_SETTINGS = {
    "fsync": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
_MAIN = "from opengiro.wiring import main; main()"
INSTALLED: Mapping[str, str] = MappingProxyType({})
"""The environment in which the version runs that is installed."""


@dataclass(slots=True)
class Machine:
    """One process of ours, with what it printed."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""  #: where it serves

    @property
    def said(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text()

    def children(self) -> dict[int, str]:
        """Return the processes that it started, each with its command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                    if parent == self.process.pid:
                        found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        return found

    def get(self, path: str, token: str = "") -> httpx2.Response:
        """Ask it."""
        return self.call("GET", path, token)

    def call(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> httpx2.Response:
        """Call it; the paths of the wire begin with /2.0."""
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.request(method, self.url + path, headers=headers, json=body, trust_env=False, timeout=30)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


@dataclass(slots=True)
class Fleet:
    """A database, a merchant with its test bank, and the machines that were started."""

    folder: Path
    place: Mapping[str, str]  #: the setting that says where all of them keep everything
    environment: Mapping[str, str] = field(default_factory=dict)  #: of commands, and of machines unless told
    merchant: dict[str, Any] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    database: Server = field(init=False)  #: on PostgreSQL

    def site(self, name: str, **settings: object) -> Site:
        """Return a folder of its own for one machine."""
        (self.folder / name).mkdir()
        return new_site(self.folder / name, private_hosts=["*"], **self.place, **settings)

    def start(
        self,
        name: str,
        *arguments: str,
        first: str = "",
        ready: str = "OpenGiro ",
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> Machine:
        """Start `opengiro` on a machine of this name and wait until it is ready; `first` is Python that runs before."""
        site = self.site(name, **settings)
        log = site.folder / "log"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENGIRO_")}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{first}\n{_MAIN}", *arguments],
                cwd=site.folder,
                env=plain
                | {**(self.environment if environment is None else environment), "OPENGIRO_ROOT_KEY": ROOT_KEY},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        machine = Machine(process, log, site.url)
        self.machines.append(machine)
        until(lambda: ready in machine.said or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError(machine.said)
        return machine

    def run(
        self, site: Site, *arguments: str, root_key: str = ROOT_KEY, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine to its end."""
        key = {"OPENGIRO_ROOT_KEY": root_key} if root_key else {}
        around = self.environment if environment is None else environment
        place = {f"OPENGIRO_{name.upper()}": value for name, value in self.place.items()}
        return site.run(*arguments, **place, **key, **around)

    def token(self, machine: Machine) -> str:
        """Return the merchant's token, got from one machine."""
        form = {"grant_type": "client_credentials", "scope": "payments:admin"}
        form |= {name: self.merchant[name] for name in ("client_id", "client_secret")}
        granted = httpx2.post(f"{machine.url}/2.0/auth/token", data=form, trust_env=False)
        assert granted.status_code == 200, granted.text + machine.said[-3000:]
        token: str = granted.json()["token"]
        return token

    def ask(self, machine: Machine, token: str, label: str, **headers: str) -> httpx2.Response:
        """Ask one machine to create a payment."""
        body = order(label, client_redirect_uri=REDIRECT_URI)
        return machine.call("POST", "/2.0/payments", token, body, **headers)

    def create(self, machine: Machine, token: str, label: str = "Order 1") -> int:
        """Create a payment at one machine."""
        created = self.ask(machine, token, label)
        assert created.status_code < 300, created.text
        payment_id: int = created.json()["id"]
        return payment_id

    def choose(self, machine: Machine, token: str, payment_id: int, bank_id: str = TEST_BANK_ID) -> httpx2.Response:
        """Choose a bank for it at one machine."""
        choice = {"validated": True, "connector_uuid": bank_id, "webview_url": REDIRECT_URI}
        return machine.call("POST", f"/2.0/payments/{payment_id}", token, choice)

    def state(self, machine: Machine, token: str, payment_id: int) -> str:
        """Return what one machine says of a payment."""
        found: str = machine.get(f"/2.0/payments/{payment_id}", token).json()["state"]
        return found


def until(look: Any, within_s: float = PATIENCE_S) -> Any:
    """Look again and again, and return the first thing seen that is true."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def fleet(folder: Path, environment: Mapping[str, str] = INSTALLED) -> Iterator[Fleet]:
    """Start a database of its own, which a test may stop, with a merchant in it; all machines end with the block."""
    place = Path(tempfile.mkdtemp(prefix="opengiro-fleet-"))
    database = Server(place, _SETTINGS)
    try:
        database.start()
        database.sql("CREATE DATABASE fleet")
        with _settled(Fleet(folder, {"database_url": f"{database.url}/fleet"}, environment)) as made:
            made.database = database
            yield made
    finally:
        database.remove()
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def fleet_of_this_run(folder: Path) -> Iterator[Fleet]:
    """Have a fleet on the engine that this run of the tests is about."""
    if ENGINE == "postgres":
        with fleet(folder) as made:
            yield made
    else:
        with _settled(Fleet(folder, {"data": str(folder / "data")})) as made:
            yield made


@contextlib.contextmanager
def _settled(made: Fleet) -> Iterator[Fleet]:
    try:
        site = made.site("operator")
        (site.folder / "banks.json").write_text('[{"connector": "test_bank"}]')
        assert made.run(site, "migrate").returncode == 0
        assert made.run(site, "bank", "import", "banks.json").returncode == 0
        printed = made.run(site, "merchant", "create", *MERCHANT, "--redirect-uri", REDIRECT_URI)
        made.merchant = json.loads(printed.stdout)
        yield made
    finally:
        for machine in made.machines:
            with contextlib.suppress(subprocess.TimeoutExpired):
                machine.end()
            machine.process.kill()
