"""A real `opengiro serve` in a process of its own, as an operator starts it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2

from tests import engines
from tests.cli.laptop import OPENGIRO
from tests.ports import free_port

REDIRECT_URI = "https://kites.example/return"
MERCHANT = ("Kites", "--legal-name", "Kites SARL", "--domain", "kites", "--zone", "Europe/Paris")
HARBOUR = {
    "connector": "berlin_group",
    "code": "harbour",
    "name": "Harbour Bank",
    "legal_name": "Harbour Bank plc",
    "country": "FR",
    "bic": "HARBFRPPXXX",
    "base_url": "https://psd2.harbour.example",
    "payment_products": ["sepa-credit-transfers"],
}
"""A bank that nobody reaches, as an operator writes it down."""
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with settings, and the command run by them."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Where it will be."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Where its data are."""
        return self.folder / "data"

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its settings come from the folder and from nowhere else."""
        return subprocess.run(
            [OPENGIRO, *arguments],
            cwd=self.folder,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def merchant(self) -> dict[str, Any]:
        """Make a merchant and return what was printed."""
        made = self.run("merchant", "create", *MERCHANT, "--redirect-uri", REDIRECT_URI)
        printed: dict[str, Any] = json.loads(made.stdout)
        return printed

    def banks(self, *entries: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Import banks from a file."""
        (self.folder / "banks.json").write_text(json.dumps(entries))
        return self.run("bank", "import", "banks.json")

    @contextlib.contextmanager
    def serving(self, log: IO[bytes] | int = subprocess.PIPE, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Serve for as long as the block lasts; what is printed is kept back unless there is a log for it."""
        process = subprocess.Popen(
            [OPENGIRO, "serve"],
            cwd=self.folder,
            env=self._environment(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            self._await(process)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_PATIENCE_S)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENGIRO_")}
        database = {"OPENGIRO_DATABASE_URL": url} if (url := engines.database_url(self.data)) else {}
        return {name: value for name, value in plain.items() if name.lower() != "http_proxy"} | database | more

    def _await(self, process: subprocess.Popen[str]) -> None:
        for _ in range(_PATIENCE_S * 20):
            if process.poll() is not None:
                raise RuntimeError(process.communicate()[0])
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url}/healthz", trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError(self.url)


def new_site(folder: Path, **settings: object) -> Site:
    """Write the settings of a site on a free port."""
    site = Site(folder, free_port())
    lines = {"port": site.port, "shutdown_s": 1, **settings}
    (folder / "opengiro.toml").write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
    return site
