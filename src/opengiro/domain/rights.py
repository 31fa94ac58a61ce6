"""What a token may do. Dialects spell rights as their wire's scopes; nothing below them knows a scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Right(StrEnum):
    """One thing a token may do."""

    MANAGE = "manage"  #: everything on payments
    READ = "read"  #: read payments
    READ_SENSITIVE = "read_sensitive"  #: read identity data too
    VALIDATE = "validate"  #: choose a bank, answer it, confirm
    CANCEL = "cancel"  #: ask for a cancellation
    LINKS = "links"  #: manage payment links
    FOLLOW = "follow"  #: watch one payment live from a browser, and nothing else
    PROFILE = "profile"  #: read who one is, and the accounts one may act for
    CONFIGURE = "configure"  #: change the merchant's settings, applications and webhooks


_APART = frozenset({Right.LINKS, Right.FOLLOW, Right.PROFILE, Right.CONFIGURE})
"""Rights that managing payments does not include."""

FOR_ONE_PAYMENT = frozenset({Right.READ, Right.READ_SENSITIVE, Right.VALIDATE, Right.CANCEL})
"""Rights that a token limited to one payment can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling: a merchant's application, limited to one payment when `payment_id` is set.

    One with a `user_id` acts as that user, in the account spaces of that user only.
    """

    merchant_id: int
    client_id: str | None
    rights: frozenset[Right]
    payment_id: int | None = None
    expires_at: datetime | None = None
    user_id: str | None = None

    @property
    def holder(self) -> str:
        """Who of the merchant it is, for what is kept for one caller and not shown to another."""
        return f"{self.client_id or ''}/{self.user_id}" if self.user_id else self.client_id or ""

    def may(self, right: Right) -> bool:
        """Whether the token holds this right; managing includes all rights on payments."""
        return right in self.rights or (Right.MANAGE in self.rights and right not in _APART)
