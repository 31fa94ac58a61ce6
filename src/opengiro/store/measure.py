"""What a commit tells the meters: how long it took, how it ended, and which payments entered which state by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from opengiro.domain.lifecycle import State
from opengiro.store.engines import Conflict
from opengiro.telemetry.meters import COMMITS, MOVES
from opengiro.telemetry.spans import span

if TYPE_CHECKING:
    from opengiro.store.engines import Write

MOVE, TARGET = "insert_move", 5
"""The statement that is a move, and which of its parameters is the state entered."""

_SAVED, _CONFLICT, _FAILED = (COMMITS.labels(outcome) for outcome in ("saved", "conflict", "failed"))
_ENTERED = {state: MOVES.labels(state.value) for state in State}


@contextmanager
def measured(writes: Sequence[Write]) -> Iterator[None]:
    """Measure the commit of these writes, which the block makes."""
    begun, ended = perf_counter(), _FAILED
    try:
        with span("commit", statements=len(writes)):
            yield
        ended = _SAVED
        for write in writes:
            if write.name == MOVE:
                _ENTERED[write.params[TARGET]].inc()
    except Conflict:
        ended = _CONFLICT
        raise
    finally:
        ended.observe(perf_counter() - begun)
