"""The built wheel, installed, and its command run from folders that hold nothing of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx2
from opengiro_kit.powens import BankAccount, Credentials, Execution, NewInstruction, NewPayment, Payment, PowensClient

_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel in it."""

    venv: Path

    def run(self, *arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [self.venv / "bin/opengiro", *arguments],
            cwd=folder,
            env=_environment(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def python(self, code: str, folder: Path) -> str:
        """Return what a few lines of Python print there."""
        ran = subprocess.run(
            [self.venv / "bin/python", "-c", code],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_S,
        )
        return ran.stdout

    @contextlib.contextmanager
    def serving(
        self, *arguments: str | Path, url: str, folder: Path, before: Sequence[str | Path] = (), **environment: str
    ) -> Iterator[Path]:
        """Serve for as long as the block lasts; yields a file with what was printed. `before` is what starts it."""
        printed = folder / "printed.txt"
        with printed.open("w") as output:
            process = subprocess.Popen(
                [*before, self.venv / "bin/opengiro", *arguments],
                cwd=folder,
                env=_environment(environment),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _await(process, url, printed)
            yield printed
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE_S)


def install(wheel: Path, folder: Path) -> Installed:
    """Install the wheel without a network, beside the libraries that the tests run with and nothing else of theirs."""
    python = folder / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=_PATIENCE_S)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--no-index", "--no-deps", wheel],
        check=True,
        timeout=_PATIENCE_S,
    )
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # A folder named in a .pth file is not searched for .pth files, so our editable installs stay out of sight.
    (purelib / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return Installed(folder)


def order(merchant: Credentials) -> NewPayment:
    """Return a payment to ask for."""
    instruction = NewInstruction(
        amount=Decimal("50.90"),
        currency="EUR",
        label="Order 77",
        execution_date_type=Execution.INSTANT,
        beneficiary=BankAccount.iban("FR7630006000011234567890189", "Kites"),
    )
    return NewPayment(client_redirect_uri=merchant.redirect_uris[0], instructions=(instruction,))


def pay(merchant: Credentials, bank: str) -> Payment:
    """Take a payment at a bank that decides alone, and return it once it is over."""
    with PowensClient(merchant) as client:
        payment = client.create_payment(order(merchant))
        client.validate(payment.id, merchant.redirect_uris[0], connector_uuid=bank)
        for _ in range(_PATIENCE_S * 10):
            if (payment := client.payment(payment.id)).state.final:
                break
            time.sleep(0.1)
    return payment


def _environment(more: dict[str, str]) -> dict[str, str]:
    """Return an environment without our settings, and without what leads Python or requests elsewhere."""
    left_out = ("OPENGIRO_", "PYTHON", "HTTP_PROXY", "VIRTUAL_ENV")
    plain = {name: value for name, value in os.environ.items() if not name.upper().startswith(left_out)}
    return plain | more


def _await(process: subprocess.Popen[bytes], url: str, printed: Path) -> None:
    for _ in range(_PATIENCE_S * 20):
        if process.poll() is not None:
            raise RuntimeError(printed.read_text())
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/healthz", trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(printed.read_text())
