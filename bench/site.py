"""An OpenGiro under test: a folder with settings, its own database, and the processes an operator would start."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.databases import Database
from bench.wire import REDIRECT_URI, credentials
from tests.ports import free_port

_OPENGIRO = Path(sys.executable).with_name("opengiro")
_PATIENCE_S = 60
_GREETING = "OpenGiro serves"
ZONE = "Europe/Paris"


@dataclass(slots=True)
class Site:
    """One server. `merchant` is what `opengiro merchant create` printed."""

    folder: Path
    database: Database
    web_processes: int = 1
    port: int = 0
    merchant: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  #: besides those that every site has

    def __post_init__(self) -> None:
        """Take a free port, unless one was given."""
        self.port = self.port or free_port()

    @property
    def merchant_id(self) -> int:
        """Whose payments are measured."""
        return int(self.merchant["merchant_id"])

    @property
    def client(self) -> tuple[str, str]:
        """Client id and secret."""
        return client_of(self.merchant)

    def settle_in(self, banks: Sequence[dict[str, Any]]) -> None:
        """Make the schema, a merchant and its banks by the operator's commands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run("migrate")
        self.merchant = self.take_in("kites")
        (self.folder / "banks.json").write_text(json.dumps(list(banks)))
        self.run("bank", "import", "banks.json")

    def take_in(self, domain: str) -> dict[str, Any]:
        """Make a merchant and return what was printed."""
        names = (domain.capitalize(), "--legal-name", f"{domain.capitalize()} SARL", "--domain", domain, "--zone", ZONE)
        printed: dict[str, Any] = json.loads(self.run("merchant", "create", *names, "--redirect-uri", REDIRECT_URI))
        return printed

    def twin(self, folder: Path, database: Database) -> Site:
        """Return a site with the same keys, merchant and banks over a copy of the database."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("opengiro.db*", "*.log"), dirs_exist_ok=True)
        return Site(folder, database, self.web_processes, merchant=self.merchant)

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        ended = subprocess.run(
            [_OPENGIRO, *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        if ended.returncode:
            raise RuntimeError(f"opengiro {' '.join(arguments[:2])} failed: {ended.stderr.strip()[-500:]}")
        return ended.stdout

    @contextlib.contextmanager
    def serving(self, *, work: bool = True) -> Iterator[Running]:
        """Run the server, and its workers if they should `work`, for as long as the block lasts."""
        processes = ["--workers", str(self.web_processes), *([] if work else ["--no-work"])]
        with (self.folder / "serve.log").open("wb") as log:
            command: list[str | Path] = [_OPENGIRO, "serve", *processes]
            process = subprocess.Popen(command, cwd=self.folder, env=self._environment(), stdout=log, stderr=log)
            try:
                running = Running(self, process)
                running.wait()
                yield running
            finally:
                _end(process)

    def _environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENGIRO_")}
        # Most databases here are copies, which a server would otherwise hold until somebody releases them.
        ours = {"port": str(self.port), "private_hosts": "127.0.0.1", "shutdown_s": "1", "hold": "never"}
        if self.database.url:
            ours["database_url"] = self.database.url
        return plain | {f"OPENGIRO_{name.upper()}": value for name, value in (ours | self.settings).items()}


@dataclass(slots=True)
class Running:
    """A site that serves; calls go over HTTP, one connection at a time."""

    site: Site
    process: subprocess.Popen[bytes]
    _token: str = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.site.port

    @property
    def token(self) -> str:
        """A service token, got once."""
        if not self._token:
            self._token = self.grant(self.site.merchant)
        return self._token

    def grant(self, merchant: dict[str, Any]) -> str:
        """Return a new service token of a merchant."""
        token: str = self.call("POST", "/auth/token", credentials(*client_of(merchant)), token="")["token"]
        return token

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Any:
        """Call the wire and return the answer's JSON; anything but a success is an error here."""
        token = self.token if token is None else token
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body)
        sent |= {"content-type": "application/json"} if content else {}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)) as line:
            line.request(method, f"/2.0{path}", content, sent)
            answer = line.getresponse()
            told = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path} was answered {answer.status}: {told[:300]!r}")
            return json.loads(told or b"null")

    def bank_id(self, slug: str) -> str:
        """Return the id of a bank by its slug."""
        found = self.call("GET", "/connectors", token="")["connectors"]
        return str(next(one["uuid"] for one in found if one["slug"] == slug))

    def configure(self, method: str, path: str, body: Any = None) -> Any:
        """Call the wire as the merchant's operator."""
        return self.call(method, path, body, token=self.site.merchant["config_token"])

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"opengiro serve ended: {self._said()}")
            if _GREETING in self._said():
                return
            time.sleep(0.02)
        raise TimeoutError(f"no answer on port {self.port}: {self._said()}")

    def pids(self) -> list[int]:
        """Return the process ids of everything that runs, children included."""
        found = [self.process.pid]
        for pid in found:
            found += _children(pid)
        return found

    def freeze(self) -> None:
        """Stop everything that runs, as if no time passed."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            os.kill(pid, number)

    def _said(self) -> str:
        return (self.site.folder / "serve.log").read_text(errors="replace")[-2000:]


def client_of(merchant: dict[str, Any]) -> tuple[str, str]:
    """Return the client id and secret of what a merchant's making printed."""
    return merchant["client_id"], merchant["client_secret"]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
