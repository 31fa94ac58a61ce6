"""Where facts are kept. One `Store` holds a door for each noun; rows travel no further than this room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opengiro.store.answers import Answers
from opengiro.store.attempts import Attempts
from opengiro.store.banks import Banks
from opengiro.store.claims import Claims
from opengiro.store.deliveries import Deliveries
from opengiro.store.engines import Conflict, Unavailable, Write
from opengiro.store.home import Home
from opengiro.store.house import House, HouseKeys
from opengiro.store.links import Links
from opengiro.store.measure import measured
from opengiro.store.merchants import Applications, Merchants
from opengiro.store.occurrences import Occurrences
from opengiro.store.payments import Payments
from opengiro.store.spaces import Spaces
from opengiro.store.tokens import Sessions, Tokens
from opengiro.store.transactions import Transactions
from opengiro.store.users import Users
from opengiro.store.webhooks import Webhooks

if TYPE_CHECKING:
    from opengiro.store.engines import Engine, Row
    from opengiro.store.vault import Vault

__all__ = ["Conflict", "Store", "Unavailable", "Write"]


class Store:
    """All doors over one engine and one vault."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        """Build the doors; nothing is read yet."""
        self.engine = engine
        self.vault = vault
        self.house = House(engine)
        self.home = Home(engine)
        self.keys = HouseKeys(engine, vault)
        self.merchants = Merchants(engine)
        self.tokens = Tokens(engine, vault)
        self.applications = Applications(engine, self.tokens.known)
        self.sessions = Sessions(engine)
        self.payments = Payments(engine, vault)
        self.occurrences = Occurrences(engine)
        self.attempts = Attempts(engine, vault)
        self.answers = Answers(engine, vault)
        self.banks = Banks(engine)
        self.spaces = Spaces(engine, vault)
        self.transactions = Transactions(engine)
        self.users = Users(engine, vault)
        self.links = Links(engine, vault)
        self.claims = Claims(engine, vault)
        self.webhooks = Webhooks(engine, vault)
        self.deliveries = Deliveries(engine, vault)

    async def commit(self, writes: Iterable[Write]) -> list[list[Row]]:
        """Save everything or nothing, durably; raises `Conflict` when somebody was faster."""
        with measured(commands := list(writes)):
            return await self.engine.commit(commands)

    async def secure(self) -> None:
        """Return when nothing that was read until now can be lost any more."""
        await self.engine.secure()

    async def prove_key(self) -> None:
        """Open something that is sealed, if anything is; raises `InvalidTag` when the root key is another's."""
        for merchant, _ in await self.merchants.all():
            await self.webhooks.auths(merchant.merchant_id)
            await self.payments.newest(merchant.merchant_id)

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        await self.engine.close()
