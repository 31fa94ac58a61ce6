"""How much live status may cost: every figure of it in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seats and times. A long poll that waits takes a seat like a stream."""

    per_token: int = 3
    per_ip: int = 20
    everywhere: int = 20_000
    beat_s: float = 15.0  #: an idle stream says that it lives, and looks itself whether a bell was missed
    life_s: float = 300.0  #: then the follower comes again, perhaps to another machine
    send_s: float = 10.0  #: a reader who takes nothing for this long is dropped
    hello_s: float = 10.0  #: a WebSocket may take this long to say from where it goes on
    poll_s: float = 25.0  #: the longest long poll, below the 30 s after which many proxies give up
    reconnect_s: float = 1.0  #: what an EventSource waits before it comes again
    retry_after_s: int = 5  #: what a follower without a seat is told to wait
