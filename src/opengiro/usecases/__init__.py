"""What can be done, one verb a file. A use case reads facts, asks the domain to decide, and saves the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opengiro.domain.login_gate import LoginGate
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store.fields_key import FieldsKey
from opengiro.store.tokens_key import TokensKey
from opengiro.usecases.ids import Ids
from opengiro.usecases.prompt_line import PromptLine

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.domain.attempt import Attempt
    from opengiro.domain.banks import Bank, Canceller, Connector, Line
    from opengiro.domain.clock import Clock
    from opengiro.domain.merchants import Merchant
    from opengiro.domain.payment import Payment
    from opengiro.store import Store

Complain = Callable[[str], Awaitable[str | None]]
"""Says why webhooks may not go to a URL, or None when they may."""


class Bell:
    """Wakes whoever waits for news: deliveries for any, live pages for one payment.

    It carries no news itself. Who wakes up reads the rows, so a ring that comes twice or too early does no harm.
    It rings in this process; `carry` takes each ring to the others, whose bells then `hear` it.
    """

    def __init__(self) -> None:
        """Start with nobody listening."""
        self.moved = asyncio.Event()  #: something moved somewhere; whoever waits for it clears it
        self.carry: Callable[[tuple[int, int] | None], None] = _nowhere  #: hears which payment rang, None for all
        self._listeners: dict[tuple[int, int], set[asyncio.Event]] = {}

    def ring(self, merchant_id: int, payment_id: int) -> None:
        """Say that something of this payment was saved."""
        self.hear(merchant_id, payment_id)
        self.carry((merchant_id, payment_id))

    def ring_all(self) -> None:
        """Say that anything may be due, as after a clock was moved."""
        self.moved.set()
        for listener in self.listeners():
            listener.set()
        self.carry(None)

    def hear(self, merchant_id: int, payment_id: int) -> None:
        """Wake those of this process who wait for this payment."""
        self.moved.set()
        for listener in self._listeners.get((merchant_id, payment_id), ()):
            listener.set()

    def listeners(self) -> list[asyncio.Event]:
        """Return everybody who listens now."""
        return [listener for listeners in self._listeners.values() for listener in listeners]

    @contextmanager
    def listen(self, merchant_id: int, payment_id: int) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever this payment rings; the listener clears it."""
        key, heard = (merchant_id, payment_id), asyncio.Event()
        self._listeners.setdefault(key, set()).add(heard)
        try:
            yield heard
        finally:
            self._listeners[key].discard(heard)
            if not self._listeners[key]:
                del self._listeners[key]


def _nowhere(_: tuple[int, int] | None) -> None:
    """Carry a ring to no other process, because there is none."""


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
    fields_key: FieldsKey = field(default_factory=FieldsKey)  #: opens field values that clients encrypted
    tokens_key: TokensKey = field(default_factory=TokensKey)  #: signs access tokens that others can check
    logins: LoginGate = field(default_factory=LoginGate)  #: how often passwords may be tried
    ids: Ids = field(default_factory=Ids)  #: draws those of 53 bits
    failures: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  #: so many are saved at a time
    bell: Bell = field(default_factory=Bell)  #: rung when something of a payment was saved

    @property
    def held(self) -> bool:
        """Whether this house must take, ask and send nothing until somebody releases it."""
        return self.store.home.held

    def prompt_line(self) -> Line:
        """Return the way to the banks for what is decided now; `line` itself is for asking, which is always safe."""
        return PromptLine(self.line)

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

    def canceller(self, bank: Bank) -> Canceller | None:
        """Return how orders are cancelled at a bank, or None when it or its connector cannot."""
        return self.connectors[bank.connector].cancel if bank.cancels else None


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment with its newest attempt: what an answer about it shows."""

    payment: Payment
    attempt: Attempt | None = None
