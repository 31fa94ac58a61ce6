"""Payments made beforehand for scenarios that need some: many at once, by the load generator."""

from __future__ import annotations

import json

from bench.loader import Job, load
from bench.site import Running
from bench.wire import creates, live_tokens

_CONNECTIONS = 16
_PATIENCE_S = 120


def payments(running: Running, count: int) -> list[int]:
    """Create so many payments and return their ids."""
    job = Job(running.port, creates(running.token, count), _CONNECTIONS, warm_s=0, seconds=_PATIENCE_S, keep="id")
    return _whole(load(job).kept, count, "payments")


def seats(running: Running, ids: list[int]) -> list[tuple[int, str]]:
    """Return each of these payments with a token that follows it."""
    requests = live_tokens(running.token, ids)
    job = Job(running.port, requests, _CONNECTIONS, warm_s=0, seconds=_PATIENCE_S, keep="seat")
    told = [json.loads(f"{{{text}}}") for text in load(job).kept]
    _whole([one["id_payment"] for one in told], len(ids), "live tokens")
    return [(one["id_payment"], one["token"]) for one in told]


def _whole(found: list[str], count: int, what: str) -> list[int]:
    if len(found) != count:
        raise RuntimeError(f"{count} {what} were asked for, and {len(found)} were made")
    return [int(one) for one in found]
