"""The sandbox banks in a process of their own, which also note when they first said of a payment that it is done."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opengiro_sandbox.sandbox import build_alone
from tests.ports import free_port

CODE = "horizon"
"""The friendly one: it sends payers to its pages, and executes an instant payment as soon as they approved."""
_PAYMENT = re.compile(r"/v1/payments/[^/]+/([0-9a-f-]{36})")
_PATIENCE_S = 30


@dataclass(slots=True)
class Banks:
    """The banks, from outside."""

    port: int

    @property
    def url(self) -> str:
        """Where they are."""
        return f"http://127.0.0.1:{self.port}"

    def entries(self) -> list[dict[str, Any]]:
        """Return what they say of themselves, in the form that `opengiro bank import` reads."""
        return [{"connector": "berlin_group", **entry} for entry in self._get("/banks")]

    def said_done(self) -> dict[str, float]:
        """Return when each payment was first said to be done, in seconds since 1970."""
        found: dict[str, float] = self._get("/bench/said")
        return found

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=_PATIENCE_S) as answer:  # noqa: S310  # our own loopback
            return json.load(answer)


@contextlib.contextmanager
def banking(data: Path) -> Iterator[Banks]:
    """Run the banks for as long as the block lasts."""
    banks = Banks(free_port())
    command = [sys.executable, "-m", "bench.bank", str(banks.port), str(data)]
    with subprocess.Popen(command) as process:
        try:
            _wait(banks)
            yield banks
        finally:
            process.terminate()


def _wait(banks: Banks) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            banks.said_done()
            return
        time.sleep(0.05)
    raise TimeoutError("the sandbox banks did not start")


@dataclass(slots=True)
class _Witness:
    """Notes when an answer that says *done* leaves the bank."""

    app: ASGIApp
    said: dict[str, float] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/bench/said":
            await _tell(self.said, send)
            return
        found = _PAYMENT.search(scope.get("path", ""))

        async def noting(message: Message) -> None:
            if found and (b'"ACSC"' in message.get("body", b"") or b'"ACCC"' in message.get("body", b"")):
                self.said.setdefault(found[1], time.time())
            await send(message)

        await self.app(scope, receive, noting)


async def _tell(said: dict[str, float], send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def main() -> None:
    """Serve the banks on loopback until stopped."""
    port, data = int(sys.argv[1]), Path(sys.argv[2])
    app = _Witness(build_alone(data, f"http://127.0.0.1:{port}"))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")


if __name__ == "__main__":
    main()
