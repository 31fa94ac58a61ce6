"""Events as a browser reads them: our own words, the same on every wire, with nothing personal and no secret in them.

What a bank said stays out: it may name people, and an event may be read by anybody at the shop's counter.
"""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opengiro.domain.lifecycle import FINAL

if TYPE_CHECKING:
    from opengiro.domain.payment import Move
    from opengiro.domain.steps import Step


class End(StrEnum):
    """Why no more events come here."""

    FINAL = "final"  #: nothing will change any more
    TOKEN_ENDED = "token_ended"  #: it expired or was revoked: get another, then go on
    RECONNECT = "reconnect"  #: the time of this stream is over: come again and go on


class Event(NamedTuple):
    """One event in JSON; `ordinal` is its id, and None for what cannot be resumed from."""

    ordinal: int | None
    body: bytes
    end: End | None = None


class StateOut(msgspec.Struct, tag_field="type", tag="state", omit_defaults=True, frozen=True):
    """A payment moved."""

    sequence: int
    state: str
    final: bool
    at: str
    reason: str | None = None


class StepOut(msgspec.Struct, tag_field="type", tag="step", frozen=True):
    """Something else is waited for inside the state."""

    step: str


class EndOut(msgspec.Struct, tag_field="type", tag="end", frozen=True):
    """No more events come here."""

    reason: str


_encode = msgspec.json.encode


def state_event(moved: Move) -> Event:
    """Return the event that a move is."""
    out = StateOut(
        sequence=moved.ordinal,
        state=moved.target,
        final=moved.target in FINAL,
        at=moved.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        reason=moved.reason and moved.reason.value,
    )
    return Event(moved.ordinal, _encode(out))


def step_event(step: Step) -> Event:
    """Return the notice that something else is waited for."""
    return Event(None, _encode(StepOut(step)))


def end_event(end: End) -> Event:
    """Return the last thing a stream says."""
    return Event(None, _encode(EndOut(end)), end)
