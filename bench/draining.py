"""Webhooks: how many a second leave a backlog."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.delivering import ENDPOINTS
from bench.plan import SLICE_S
from bench.sink import Sink
from bench.site import Running, Site

_SOON_S, _SPREAD_S = 2.0, 1.0
"""Time for the database to save a backlog and to count it, before the first of it and then the last is due."""
_WAKING_S = 0.7
"""By then a worker has looked for what is due."""
_LOOKED_AT = 200_000
"""So many of the latest payments are enough to find some that nobody was told of, at every size."""


@dataclass(slots=True)
class _Side:
    running: Running
    paths: str  #: what those of its endpoints begin with
    left: int
    sent: int = 0
    seconds: float = 0.0

    def run(self, sink: Sink, seconds: float) -> int:
        """Let it work for so long; return how many webhooks came."""
        self.running.thaw()
        begun = time.perf_counter()
        time.sleep(seconds)
        self.running.freeze()
        self.seconds += time.perf_counter() - begun
        came = sum(one.path.startswith(self.paths) for one in sink.report())
        self.sent += came
        self.left -= came
        return came


def drain(sink: Sink, servers: Sequence[tuple[str, Running]], moves: int) -> list[float]:
    """Let a backlog of so many moves loose on each worker, and return how many webhooks each sends a second.

    They take short turns, in which the others are frozen, until one of them has little left. A server goes by the
    beginning of its endpoints' names.
    """
    with contextlib.ExitStack() as frozen:
        for _, running in servers:
            _queue(running.site, moves)
            running.freeze()
            frozen.callback(running.thaw)
        time.sleep(_SOON_S + _SPREAD_S)
        sides = [_Side(running, f"/ok/{name}", moves * ENDPOINTS) for name, running in servers]
        for side in sides:
            side.run(sink, _WAKING_S)
            side.sent, side.seconds = 0, 0.0
        _take_turns(sink, sides)
    for side in sides:
        _forget(side.running.site)
    return [side.sent / side.seconds for side in sides]


def _take_turns(sink: Sink, sides: Sequence[_Side]) -> None:
    while True:
        came = [side.run(sink, SLICE_S) for side in sides] + [side.run(sink, SLICE_S) for side in reversed(sides)]
        if not all(came):
            raise RuntimeError("a worker sent nothing of a backlog")
        if any(side.left < 4 * max(came) for side in sides):
            return


def _queue(site: Site, count: int) -> None:
    """Make the last move of finished payments that nobody was told of due at every endpoint, each at its own moment."""
    due, spread = time.time_ns() // 1000 + round(_SOON_S * 1e6), round(_SPREAD_S * 1e6)
    latest = f"SELECT * FROM payments ORDER BY merchant_id DESC, payment_id DESC LIMIT {_LOOKED_AT}"
    one = "(SELECT MAX(webhook_id) FROM webhooks)"  # all are told of the same; without it each look would read them all
    told = (
        f"SELECT 1 FROM deliveries d WHERE d.merchant_id = l.merchant_id AND d.webhook_id = {one} "
        "AND d.payment_id = l.payment_id"
    )
    chosen = (
        f"SELECT merchant_id, payment_id, moved FROM ({latest}) AS l "
        f"WHERE state IN ('done', 'rejected') AND NOT EXISTS ({told}) ORDER BY payment_id DESC LIMIT {count}"
    )
    site.database.run(
        "INSERT INTO deliveries (merchant_id, webhook_id, payment_id, ordinal, created_us, due_us) "
        f"SELECT w.merchant_id, w.webhook_id, p.payment_id, p.moved, {due}, {due} + p.payment_id % {spread} "
        f"FROM webhooks w CROSS JOIN ({chosen}) AS p"
    )
    site.database.tidy("deliveries")


def _forget(site: Site) -> None:
    """Take what is left of a backlog for sent, so that the next round begins like the first.

    The worker goes on meanwhile and changes several rows at once, in an order of its own: only one may.
    """
    alone = ["LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE"] if site.database.kind == "postgres" else []
    site.database.run(*alone, "UPDATE deliveries SET stage = 'delivered' WHERE stage = 'waiting'")
