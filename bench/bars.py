"""What the figures of one run should reach, as ratios in that run: the first bars on the way to 1.0 and flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.figures import Bar, Direction, Results
from bench.places import NAMES
from bench.plan import SMALL

_LEAST, _MOST = Direction.AT_LEAST, Direction.AT_MOST
_GROWING = {
    "create": "creates",
    "read": "reads",
    "list": "lists",
    "newest": "lists of the newest",
    "deliver": "webhooks",
}
_GROWING_ALONE = {
    "choose": ("choices of a bank", 0.9, _LEAST),
    "tell": ("time of first attempts of webhooks", 1.1, _MOST),
    "know": ("time of browsers that know", 1.1, _MOST),
}
"""On the engine that production uses."""


def bars(results: Results, sizes: Sequence[int]) -> list[Bar]:
    """Return every bar; one whose figures are absent has no value."""
    create = "create.32"
    return [
        Bar(
            "creates on PostgreSQL to pgbench's one statement, 32 connections",
            results.paired(f"postgres.{create}", "postgres.rival.32"),
            0.5,
            _LEAST,
        ),
        Bar(
            "creates on SQLite to creates on PostgreSQL, 32 connections",
            results.paired(f"sqlite.{create}", f"postgres.{create}"),
            1.0,
            _LEAST,
        ),
        *_reads(results),
        Bar(
            "webhook's first attempt, half of the endpoints dead, p99", results.value("webhook.half"), 250, _MOST, "ms"
        ),
        Bar("the same to all endpoints healthy", results.value("webhook.ratio"), 1.1, _MOST),
        Bar("bank says done to browser knows, p99", results.value("live.latency"), 100, _MOST, "ms"),
        Bar("memory of an idle stream", results.value("idle.memory"), 32, _MOST, "KiB"),
        *_growth(results, sizes),
    ]


def _reads(results: Results) -> Iterator[Bar]:
    for kind, name in NAMES.items():
        ratio = results.paired(f"{kind}.{SMALL}.read", f"{kind}.{SMALL}.create")
        yield Bar(f"reads to creates on {name}", ratio, 2.0, _LEAST)


def _growth(results: Results, sizes: Sequence[int]) -> Iterator[Bar]:
    for size in sizes:
        if size == SMALL:
            continue
        for kind, name in NAMES.items():
            for what, called in _GROWING.items():
                ratio = results.paired(f"{kind}.{size}.{what}", f"{kind}.{SMALL}.{what}")
                yield Bar(f"{called} on {name} at {size:,} payments to {SMALL:,}", ratio, 0.9, _LEAST)
            for what, (called, limit, side) in _GROWING_ALONE.items():
                ratio = results.paired(f"{kind}.{size}.{what}", f"{kind}.{SMALL}.{what}")
                if ratio is not None:
                    yield Bar(f"{called} on {name} at {size:,} payments to {SMALL:,}", ratio, limit, side)
