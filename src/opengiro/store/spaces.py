"""Account spaces and the accounts in them, as rows; what leads to a bank account is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.accounts import Account
from opengiro.domain.spaces import MerchantAccount, Space, SpaceKind
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault

_decode = msgspec.json.Decoder(Account).decode


@dataclass(frozen=True, slots=True)
class Spaces:
    """The spaces and accounts of all merchants; every method names the merchant."""

    engine: Engine
    vault: Vault

    async def of(self, merchant_id: int, user_id: str | None = None) -> list[Space]:
        """Return a merchant's spaces, or only those a user may act for."""
        return [_space(row) for row in await self.engine.fetch("load_account_spaces", merchant_id, user_id)]

    async def accounts(self, merchant_id: int) -> list[MerchantAccount]:
        """Return a merchant's accounts in the order of their numbers."""
        return [self._account(row) for row in await self.engine.fetch("load_accounts", merchant_id)]

    async def account(self, merchant_id: int, account_id: str) -> MerchantAccount | None:
        """Return one account."""
        rows = await self.engine.fetch("load_account", merchant_id, account_id)
        return self._account(rows[0]) if rows else None

    def insert(self, space: Space) -> Write:
        """Return the write that adds a space."""
        s = space
        return Write("insert_account_space", (s.merchant_id, s.space_id, s.platform_id, s.name, s.kind, s.company))

    def insert_account(self, account: MerchantAccount) -> Write:
        """Return the write that adds an account; a number that is taken is a `Conflict`."""
        a = account
        facts = (a.number, a.custodial_number, a.space_id, a.name, a.currency)
        sealed = self.vault.seal(msgspec.json.encode(a.payee), _place(a.account_id))
        return Write("insert_account", (a.merchant_id, a.account_id, *facts, sealed))

    def _account(self, row: Row) -> MerchantAccount:
        return MerchantAccount(
            merchant_id=row[0],
            account_id=row[1],
            number=row[2],
            custodial_number=row[3],
            space_id=row[4],
            name=row[5],
            currency=row[6],
            payee=_decode(self.vault.open(row[7], _place(row[1]))),
        )


def _space(row: Row) -> Space:
    return Space(
        merchant_id=row[0], space_id=row[1], platform_id=row[2], name=row[3], kind=SpaceKind(row[4]), company=row[5]
    )  # fmt: skip


def _place(account_id: str) -> str:
    return f"accounts/{account_id}"
