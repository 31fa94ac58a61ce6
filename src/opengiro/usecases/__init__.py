"""What can be done, one verb a file. A use case reads facts, asks the domain to decide, and saves the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refusal, Refused

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.domain.attempt import Attempt
    from opengiro.domain.banks import Bank, Connector, Line
    from opengiro.domain.clock import Clock
    from opengiro.domain.merchants import Merchant
    from opengiro.domain.payment import Payment
    from opengiro.store import Store

Complain = Callable[[str], Awaitable[str | None]]
"""Says why webhooks may not go to a URL, or None when they may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What every use case is given: where facts are, what time it is, chance, and the way to the banks."""

    store: Store
    clock: Clock
    chance: Callable[[int], bytes]
    line: Line
    connectors: Mapping[str, Connector]
    complain: Complain
    own_url: str  #: public base URL of this server, without a trailing slash
    moved: asyncio.Event = field(default_factory=asyncio.Event)  #: set when moves were saved, to wake deliveries

    def now(self, merchant_id: int) -> datetime:
        """Return the present instant on this merchant's clock."""
        return self.clock.now(merchant_id)

    async def merchant(self, merchant_id: int) -> Merchant:
        """Return a merchant that a token or session names; it exists as long as they do."""
        merchant = await self.store.merchants.load(merchant_id)
        if merchant is None:
            raise Refused(Refusal.NOT_FOUND)
        return merchant

    async def payment(self, merchant_id: int, payment_id: int) -> Payment:
        """Return a payment of this merchant, or refuse."""
        payment = await self.store.payments.load(merchant_id, payment_id)
        if payment is None:
            raise Refused(Refusal.NOT_FOUND)
        return payment

    def bank(self, bank_id: str) -> Bank:
        """Return a bank of the directory, or refuse."""
        bank = self.store.banks.get(bank_id)
        if bank is None or bank.connector not in self.connectors:
            raise Refused(Refusal.BANK_UNKNOWN)
        return bank


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment with its newest attempt: what an answer about it shows."""

    payment: Payment
    attempt: Attempt | None = None
