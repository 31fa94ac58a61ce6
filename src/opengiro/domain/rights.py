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
    CONFIGURE = "configure"  #: change the merchant's settings, applications and webhooks


FOR_ONE_PAYMENT = frozenset({Right.READ, Right.READ_SENSITIVE, Right.VALIDATE, Right.CANCEL})
"""Rights that a token limited to one payment can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling: a merchant's application, limited to one payment when `payment_id` is set."""

    merchant_id: int
    client_id: str | None
    rights: frozenset[Right]
    payment_id: int | None = None
    expires_at: datetime | None = None

    def may(self, right: Right) -> bool:
        """Whether the token holds this right; managing includes all rights on payments."""
        if right is Right.CONFIGURE or right is Right.LINKS:
            return right in self.rights
        return right in self.rights or Right.MANAGE in self.rights
