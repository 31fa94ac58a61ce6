"""Webhooks: how many a second leave a backlog."""

from __future__ import annotations

import time

from bench.delivering import ENDPOINTS
from bench.sink import Arrival, Sink
from bench.site import Site

_DRAIN_S = 12
_SOON_US = 2_000_000
"""Time for the database to save a backlog and to count it, before the worker may begin."""
_LOOKED_AT = 200_000
"""So many of the latest payments are enough to find some that nobody was told of, at every size."""


def drain(site: Site, sink: Sink, count: int) -> float:
    """Let a backlog of so many moves loose on the worker, and return how many webhooks it sends a second."""
    _queue(site, count)
    times = [one.at for one in _gather(sink, count * ENDPOINTS)]
    _forget(site)
    return len(times) / (max(times) - min(times))


def _queue(site: Site, count: int) -> None:
    """Make the last move of finished payments that nobody was told of due at every endpoint, each at its own moment."""
    due = time.time_ns() // 1000 + _SOON_US
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
        f"SELECT w.merchant_id, w.webhook_id, p.payment_id, p.moved, {due}, {due} + p.payment_id % 1000000 "
        f"FROM webhooks w CROSS JOIN ({chosen}) AS p"
    )
    site.database.tidy("deliveries")


def _gather(sink: Sink, wanted: int) -> list[Arrival]:
    """Return what came of a backlog until all of it has, or its time is over; raises `TimeoutError` for nothing."""
    found: dict[tuple[str, int], Arrival] = {}
    deadline = time.monotonic() + _DRAIN_S
    while len(found) < wanted and time.monotonic() < deadline:
        time.sleep(0.2)
        for one in sink.report():
            found.setdefault((one.path, one.payment_id), one)
    if len(found) < 2:
        raise TimeoutError(f"{len(found)} of {wanted} webhooks came within {_DRAIN_S} s")
    return list(found.values())


def _forget(site: Site) -> None:
    """Drop what is left of a backlog, so that the next round begins like the first."""
    site.database.run("DELETE FROM deliveries WHERE stage = 'waiting'")
