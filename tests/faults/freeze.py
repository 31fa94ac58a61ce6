"""How many webhooks come twice when a worker freezes for longer than its lease and wakes up again?

`python -m tests.faults.freeze` runs two workers on a PostgreSQL of its own while payments move all the time, stops one
of them with SIGSTOP, again and again, and counts at the shop. Leases are shortened so that it takes a minute; how many
come twice depends on what was on its way when the worker froze, not on how long it slept. `--lease 40` is the real one.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.cli.operator import REDIRECT_URI
from tests.faults.fleet import Fleet, Machine, fleet, until
from tests.faults.receiver import Receiver, listening
from tests.server import order

ENDPOINTS = 5
_LEASE = """
from datetime import timedelta
from opengiro.usecases import deliver_event
from opengiro.workers import deliver
deliver_event.LEASE = timedelta(seconds={seconds})
deliver.FREE_EVERY = timedelta(seconds=min({seconds} / 4, 5))
"""
_MOVES_PER_S = 20
_PATIENCE_S = 120
_CANCEL = {"cancel": True, "client_redirect_uri": REDIRECT_URI}
_UNSETTLED = "SELECT COUNT(*) FROM deliveries WHERE stage <> 'delivered'"


@dataclass(frozen=True, slots=True)
class Count:
    """What the shop heard, beside what there was to tell."""

    events: int
    arrived: int
    told: int
    changed: int  #: ids under which two different bodies came

    @property
    def lost(self) -> int:
        """Events that never came."""
        return self.events - self.told

    @property
    def again(self) -> int:
        """Arrivals that the shop had seen before."""
        return self.arrived - self.told


def count(events: int, arrived: Sequence[tuple[str, bytes]]) -> Count:
    """Count what arrived by the ids that receivers know events by."""
    bodies = defaultdict(set)
    for message_id, body in arrived:
        bodies[message_id].add(body)
    return Count(events, len(arrived), len(bodies), sum(len(same) > 1 for same in bodies.values()))


class Stream:
    """Payments that are made and cancelled at a steady pace: each is one event for every endpoint."""

    def __init__(self, ours: Fleet, desk: Machine) -> None:
        """Begin."""
        self._ours, self._desk = ours, desk
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Stop after the payment at hand."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        headers = {"authorization": f"Bearer {self._ours.token(self._desk)}"}
        url, begun, number = f"{self._desk.url}/2.0/payments", time.monotonic(), 0
        with httpx2.Client(headers=headers, trust_env=False) as client:
            while not self._over.wait(max(0.0, begun + number / _MOVES_PER_S - time.monotonic())):
                made = client.post(url, json=order(f"Order {number}", client_redirect_uri=REDIRECT_URI))
                client.post(f"{url}/{made.json()['id']}", json=_CANCEL).raise_for_status()
                number += 1


def measure(folder: Path, freezes: int, lease_s: float) -> Count:
    """Let two workers deliver, freeze one again and again, and count in the end."""
    with fleet(folder) as ours, listening(takes_s=0.02) as shop:
        desk = ours.start("desk", "serve", "--no-work")
        first = _LEASE.format(seconds=lease_s)
        victim, _ = (ours.start(f"worker{number}", "worker", first=first) for number in range(2))
        _register(ours, desk, shop)
        stream = Stream(ours, desk)
        try:
            for number in range(freezes):
                time.sleep(1)
                victim.process.send_signal(signal.SIGSTOP)
                time.sleep(lease_s * 1.5)
                victim.process.send_signal(signal.SIGCONT)
                sys.stderr.write(f"frozen {number + 1} of {freezes} times\n")
        finally:
            stream.end()
        until(lambda: ours.database.sql(_UNSETTLED, "fleet") == "0", _PATIENCE_S)
        return count(int(ours.database.sql("SELECT COUNT(*) FROM deliveries", "fleet")), shop.arrived)


def _register(ours: Fleet, desk: Machine, shop: Receiver) -> None:
    for number in range(ENDPOINTS):
        hook = {"url": f"{shop.url}/{number}", "event": "PAYMENT_STATE_UPDATED"}
        desk.call("POST", "/2.0/webhooks", ours.merchant["config_token"], hook).raise_for_status()


def main() -> int:
    """Measure and print; return 1 when an event was lost or changed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.freeze", description=__doc__)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2.0, help="seconds; a worker sleeps for half as much again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.freezes, given.lease)
    sys.stdout.write(
        f"{found.events} events at {ENDPOINTS} endpoints, {given.freezes} freezes of {given.lease * 1.5:g} s\n"
        f"lost: {found.lost}\n"
        f"came again: {found.again}, which is {found.again / found.events:.2%} of all"
        f" and {found.again / given.freezes:.1f} a freeze\n"
        f"came again with other bytes: {found.changed}\n"
    )
    return 1 if found.lost or found.changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
