"""Account spaces: a merchant's accounts in groups, and the users who may act for a group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.domain.accounts import Account


class SpaceKind(StrEnum):
    """Whose accounts a space holds."""

    PERSONAL = "personal"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A group of a merchant's accounts. `company` is the id a merchant configured for it, if any."""

    merchant_id: int
    space_id: str  #: UUID
    platform_id: str  #: UUID
    name: str
    kind: SpaceKind
    company: str | None = None

    def goes_by(self, name: str) -> bool:
        """Whether the text is one of the ids this space is known under."""
        return name in (self.company, self.space_id, self.platform_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantAccount:
    """Where a merchant is paid: an account of a space, with the bank account behind it."""

    merchant_id: int
    account_id: str  #: UUID
    number: int
    custodial_number: int
    space_id: str
    name: str
    currency: str
    payee: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may log in for a merchant. One with a `client_id` is that application's own login and no other's."""

    merchant_id: int
    user_id: str  #: UUID
    number: int
    username: str
    password_hash: str
    created_at: datetime
    client_id: str | None = None
