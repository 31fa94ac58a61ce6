"""A real `opengiro dev` in a process of its own, as a developer starts it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.ports import free_port

OPENGIRO = Path(sys.executable).with_name("opengiro")
IBAN = "FR7630006000011234567890189"
_PATIENCE_S = 60
ON_POSTGRES = """
import functools, sys
from opengiro.cli import dev
from opengiro.wiring import main
dev.Settings = functools.partial(dev.Settings, database_url=sys.argv.pop(1))
main()
"""


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [OPENGIRO, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )


@dataclass(slots=True)
class Laptop:
    """A running `opengiro dev` and a client for it."""

    process: subprocess.Popen[str]
    data: Path
    world: dict[str, Any]
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=40, trust_env=False))
    _token: str = ""

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.world["base_url"])

    @property
    def powens(self) -> dict[str, Any]:
        """The credentials."""
        return dict(self.world["powens"])

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Call the wire as the demo application and return the answer's JSON."""
        headers = {"authorization": f"Bearer {token or self.token()}"}
        content = {} if body is None else {"json": body}
        answer = self.http.request(method, f"{self.url}/2.0{path}", headers=headers, **content)
        return answer.json()

    def token(self) -> str:
        """Return a service token."""
        if not self._token:
            names = ("client_id", "client_secret")
            form = {name: self.powens[name] for name in names} | {
                "grant_type": "client_credentials",
                "scope": "payments:admin",
            }
            self._token = self.http.post(f"{self.url}/2.0/auth/token", data=form).json()["token"]
        return self._token

    def pay(self, label: str, kind: str = "instant") -> int:
        """Create a payment and return its id."""
        instruction = {
            "label": label,
            "amount": 50.90,
            "currency": "EUR",
            "execution_date_type": kind,
            "beneficiary": {"scheme_name": "iban", "identification": IBAN, "label": "My shop"},
        }
        body = {"client_redirect_uri": f"{self.url}/inbox/callback", "instructions": [instruction]}
        return int(self.call("POST", "/payments", body)["id"])

    def validate(self, payment_id: int, bank: str) -> Any:
        """Choose a bank by its uuid and return the payment."""
        body = {"connector_uuid": bank, "validated": True, "webview_url": f"{self.url}/inbox/callback"}
        return self.call("POST", f"/payments/{payment_id}", body)

    def settle(self, payment_id: int, *states: str) -> str:
        """Return the payment's state once it is one of these."""
        return str(self.wait(lambda: (state := self.state(payment_id)) in states and state))

    def state(self, payment_id: int) -> str:
        """Return the payment's state."""
        return str(self.call("GET", f"/payments/{payment_id}")["state"])

    def wait(self, look: Any) -> Any:
        """Return what `look` returns once that is something."""
        for _ in range(_PATIENCE_S * 10):
            if found := look():
                return found
            time.sleep(0.1)
        raise TimeoutError(look)

    def time(self, move: str) -> subprocess.CompletedProcess[str]:
        """Run `opengiro time`; tokens of before may have expired by it."""
        self._token = ""
        return run("time", move, "--data", self.data)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; return the exit code and what it printed."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=_PATIENCE_S)
        return self.process.returncode, printed


def start(data: Path, port: int | None = None, database_url: str = "") -> Laptop:
    """Start it and return when it is ready; with a URL it keeps in PostgreSQL what a laptop keeps in a file."""
    port = port or free_port()
    program = [sys.executable, "-c", ON_POSTGRES, database_url] if database_url else [OPENGIRO]
    process = subprocess.Popen(
        [*program, "dev", "--port", str(port), "--data", data, "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name.lower() != "http_proxy"},
    )
    for _ in range(_PATIENCE_S * 20):
        if process.poll() is not None:
            raise RuntimeError(process.communicate()[0])
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200:
                return Laptop(process, data, json.loads((data / "dev.json").read_text()))
        time.sleep(0.05)
    process.kill()
    raise TimeoutError(process.communicate()[0])


@contextlib.contextmanager
def started(data: Path, port: int | None = None) -> Iterator[Laptop]:
    """Start it for as long as the block lasts."""
    laptop = start(data, port)
    try:
        yield laptop
    finally:
        laptop.stop()
