"""A connector whose calls are timed: by bank, by what was asked of it, and by what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeVar

from opengiro.domain.banks import BankTrouble, Connector, Errand, Heard, Line
from opengiro.telemetry.meters import BANK_CALLS, BANK_UNHEARD
from opengiro.telemetry.spans import span

Told = TypeVar("Told")

_SLOTS = ("initiate", "observe", "answer", "confirm", "cancel")


def watched(connector: Connector) -> Connector:
    """Return the connector with the same slots filled, each of them timed."""
    filled: dict[str, Any] = {name: _timed(name, slot) for name in _SLOTS if (slot := getattr(connector, name))}
    return replace(connector, **filled)


def _timed(operation: str, slot: Callable[..., Awaitable[Told]]) -> Callable[..., Awaitable[Told]]:
    async def call(line: Line, errand: Errand, *more: Any) -> Told:
        bank, begun, outcome = errand.bank.bank_id, perf_counter(), "failed"
        try:
            with span("bank", bank=bank, operation=operation):
                told = await slot(line, errand, *more)
            outcome = "heard"
        except BankTrouble as trouble:
            outcome = trouble.money.value
            raise
        finally:
            BANK_CALLS.labels(bank, operation, outcome).observe(perf_counter() - begun)
        if isinstance(told, Heard) and not told.known:
            BANK_UNHEARD.labels(bank).inc()
        return told

    return call
