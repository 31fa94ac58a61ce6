"""The bank directory as rows. It is small and read by every payment, so it is held in memory once loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.banks import Bank
from opengiro.store.engines import Write
from opengiro.store.house import BANKS, changed

if TYPE_CHECKING:
    from opengiro.store.engines import Engine


class Banks:
    """Every bank we can reach, by id and by number."""

    def __init__(self, engine: Engine) -> None:
        """Start empty; `load` fills it."""
        self._engine = engine
        self._by_id: dict[str, Bank] = {}

    async def load(self) -> None:
        """Read the directory."""
        rows = await self._engine.fetch("load_banks")
        self._by_id = {row[0]: msgspec.json.decode(row[3], type=Bank) for row in rows}

    async def save(self, banks: Iterable[Bank]) -> None:
        """Add or replace entries by their id, then read the directory anew."""
        writes = [
            Write("upsert_bank", (bank.bank_id, bank.number, bank.connector, msgspec.json.encode(bank).decode()))
            for bank in banks
        ]
        await self._engine.commit([*writes, changed(BANKS)])
        await self.load()

    def all(self) -> list[Bank]:
        """Return all banks in the order of their numbers."""
        return sorted(self._by_id.values(), key=lambda bank: bank.number)

    def get(self, bank_id: str) -> Bank | None:
        """Return the bank of this UUID."""
        return self._by_id.get(bank_id)

    def by_number(self, number: int) -> Bank | None:
        """Return the bank of this number."""
        return next((bank for bank in self._by_id.values() if bank.number == number), None)
