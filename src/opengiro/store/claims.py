"""Claims by the hash of their secret. A directory of hashes leads to them, since no code names a merchant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opengiro.domain.claims import Claim
from opengiro.domain.clock import from_us, to_us
from opengiro.store.engines import Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of all merchants."""

    engine: Engine
    vault: Vault

    async def find(self, code: str) -> Claim | None:
        """Return the claim that a scanned secret or a typed code stands for, taken or not."""
        found = await self.engine.fetch("find_claim_code", self._index(code))
        if not found:
            return None
        merchant_id, claim_id = found[0]
        rows = await self.engine.fetch("load_claim", merchant_id, claim_id)
        return _claim(merchant_id, claim_id, *rows[0]) if rows else None

    async def taken(self, merchant_id: int, payment_id: int) -> bool:
        """Tell whether another device took the payment over."""
        return bool(await self.engine.fetch("find_taken_claim", merchant_id, payment_id))

    def insert(self, claim: Claim, codes: tuple[str, ...], now: datetime) -> list[Write]:
        """Return the writes that offer a claim and forget those of its payment that lapsed."""
        c = claim
        lapsed = (c.merchant_id, c.payment_id, to_us(now))
        values = (c.merchant_id, c.claim_id, c.payment_id, c.handle, to_us(c.expires_at))
        return [
            Write("delete_lapsed_claim_codes", lapsed, None),
            Write("delete_lapsed_claims", lapsed, None),
            Write("insert_claim", values),
            *(Write("insert_claim_code", (self._index(code), c.merchant_id, c.claim_id)) for code in codes),
        ]

    def take(self, claim: Claim, at: datetime) -> Write:
        """Return the write that uses a claim up; one that was used or lapsed is a `Conflict`."""
        return Write("take_claim", (claim.merchant_id, claim.claim_id, to_us(at)))

    def _index(self, code: str) -> bytes:
        return self.vault.index(f"claim/{code}")


def _claim(
    merchant_id: int, claim_id: bytes, payment_id: int, handle: str | None, expires_us: int, taken_us: int | None
) -> Claim:
    return Claim(
        merchant_id=merchant_id,
        claim_id=claim_id,
        payment_id=payment_id,
        handle=handle,
        expires_at=from_us(expires_us),
        taken_at=None if taken_us is None else from_us(taken_us),
    )
