"""Short links to payments. A code is found through a directory of hashes, since it names no merchant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opengiro.store.engines import Write

if TYPE_CHECKING:
    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Links:
    """The links of all merchants."""

    engine: Engine
    vault: Vault

    async def find(self, code: str) -> tuple[int, int] | None:
        """Return the merchant and payment that a code opens."""
        rows = await self.engine.fetch("find_link_code", self._index(code))
        return (rows[0][0], rows[0][1]) if rows else None

    async def code(self, merchant_id: int, payment_id: int) -> str | None:
        """Return the code of a payment's link, if it has one."""
        rows = await self.engine.fetch("load_link", merchant_id, payment_id)
        return self.vault.open(rows[0][0], _place(payment_id)).decode() if rows else None

    def insert(self, merchant_id: int, payment_id: int, code: str) -> list[Write]:
        """Return the writes that make a link known; a code that exists is a `Conflict`."""
        sealed = self.vault.seal(code.encode(), _place(payment_id))
        return [
            Write("insert_link", (merchant_id, payment_id, sealed)),
            Write("insert_link_code", (self._index(code), merchant_id, payment_id)),
        ]

    def _index(self, code: str) -> bytes:
        return self.vault.index(f"link/{code}")


def _place(payment_id: int) -> str:
    return f"links/{payment_id}"
