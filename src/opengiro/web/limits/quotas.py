"""What one merchant may ask of this process each second, so that one who asks too much slows nobody else down.

A merchant's allowance is one instant, when it would be whole again (GCRA), so a request costs one look into a table.
Merchants are counted by what proved to be theirs; a forged token never eats into the allowance of the one it names.
"""

from __future__ import annotations

_BURST_S = 0.5
"""So many seconds of allowance may be used at once: what is let in at once is felt by every other merchant."""
_BURST_LEAST = 10
"""So many requests may come at once in any case, as those of one page of a shop may."""


class Quota:
    """A number of requests a second for each merchant; 0 sets no limit."""

    __slots__ = ("_burst_s", "_step_s", "_whole_again")

    def __init__(self, per_s: float) -> None:
        """Start with every allowance whole."""
        self._step_s = 1 / per_s if per_s else 0.0
        self._burst_s = max(_BURST_S, _BURST_LEAST * self._step_s)
        self._whole_again: dict[int, float] = {}

    def take(self, merchant_id: int, now: float) -> float:
        """Take one request from the merchant's allowance, or return how many seconds to wait for one."""
        if not self._step_s:
            return 0.0
        whole = max(self._whole_again.get(merchant_id, 0.0), now) + self._step_s
        if whole - now > self._burst_s:
            return whole - now - self._burst_s
        self._whole_again[merchant_id] = whole
        return 0.0


class Quotas:
    """A quota for what changes something, and one for what only reads."""

    __slots__ = ("_reads", "_writes", "any")

    def __init__(self, writes_per_s: int, reads_per_s: int, processes: int = 1) -> None:
        """Share the figures of the whole server among its processes."""
        self._writes = Quota(writes_per_s / processes)
        self._reads = Quota(reads_per_s / processes)
        self.any = bool(writes_per_s or reads_per_s)  #: whether there is a limit at all

    def take(self, merchant_id: int, now: float, *, writes: bool) -> float:
        """Take one request from the merchant's allowance, or return how many seconds to wait for one."""
        return (self._writes if writes else self._reads).take(merchant_id, now)
