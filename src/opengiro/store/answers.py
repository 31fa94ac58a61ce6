"""Answers kept under idempotency keys, so that a repeated call gets the same bytes; sealed, since they hold data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from opengiro.domain.clock import from_us, to_us
from opengiro.store.engines import Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One use of an idempotency key: scoped to application and route, with a digest of the raw body."""

    merchant_id: int
    client_id: str
    route: str
    key: str
    digest: bytes

    @property
    def place(self) -> tuple[int, str, str, str]:
        """What the key is unique in."""
        return (self.merchant_id, self.client_id, self.route, self.key)


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: HTTP status and body bytes."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What a key holds: the digest of its first body, since when, and the answer unless it still runs."""

    digest: bytes
    claimed_at: datetime
    expires_at: datetime
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is ours while our call runs: whoever takes it over later has another moment."""

    receipt: Receipt
    claimed_at: datetime  #: real time, which nobody moves


@dataclass(frozen=True, slots=True)
class Answers:
    """The idempotency keys of all merchants."""

    engine: Engine
    vault: Vault

    async def load(self, receipt: Receipt) -> Kept | None:
        """Return what this key holds, if it was ever used."""
        rows = await self.engine.fetch("load_idempotency_key", *receipt.place)
        if not rows:
            return None
        digest, claimed, expires, status, sealed = rows[0]
        answer = None if status is None else Answer(status, self.vault.open(sealed, _place(receipt)))
        return Kept(digest, from_us(claimed), from_us(expires), answer)

    def keep(self, receipt: Receipt, answer: Answer, at: datetime) -> Write:
        """Return the write that saves a finished answer in the transaction of its effect."""
        sealed = self.vault.seal(answer.body, _place(receipt))
        return self._insert(Claim(receipt, at), at, answer.status, sealed)

    def claim(self, claim: Claim, at: datetime) -> Write:
        """Return the write that marks a key as in flight."""
        return self._insert(claim, at, None, None)

    def reclaim(self, claim: Claim, before: datetime) -> Write:
        """Return the write that takes over a key from a caller who claimed it at `before` and died."""
        return Write("reclaim_idempotency_key", (*claim.receipt.place, to_us(before), to_us(claim.claimed_at)))

    def finish(self, claim: Claim, answer: Answer) -> Write:
        """Return the write that saves the answer of a claimed key; without effect once it was taken over."""
        sealed = self.vault.seal(answer.body, _place(claim.receipt))
        params = (*claim.receipt.place, to_us(claim.claimed_at), answer.status, sealed)
        return Write("finish_idempotency_key", params, None)

    def release(self, claim: Claim) -> Write:
        """Return the write that frees a key whose call changed nothing; without effect once it was taken over."""
        return Write("release_idempotency_key", (*claim.receipt.place, to_us(claim.claimed_at)), None)

    def forget(self, receipt: Receipt, at: datetime) -> Write:
        """Return the write that frees a key whose time is over."""
        return Write("delete_idempotency_key", (*receipt.place, to_us(at)), None)

    def forget_old(self, at: datetime) -> Write:
        """Return the write that drops keys whose time is over."""
        return Write("delete_old_idempotency_keys", (to_us(at),), None)

    def _insert(self, claim: Claim, at: datetime, status: int | None, sealed: bytes | None) -> Write:
        receipt, times = claim.receipt, (to_us(claim.claimed_at), to_us(at + KEPT))
        return Write("insert_idempotency_key", (*receipt.place, receipt.digest, *times, status, sealed))


def _place(receipt: Receipt) -> str:
    return f"idempotency_keys/{receipt.client_id}/{receipt.route}/{receipt.key}"
