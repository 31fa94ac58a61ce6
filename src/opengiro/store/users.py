"""Users who log in with a password, and the refresh tokens they were given.

A username is found through a directory, because a login names no merchant; everything else names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.identifiers import merchant_of
from opengiro.domain.spaces import User
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """What a refresh token stands for; `spent` once it was used or its family was ended."""

    merchant_id: int
    family: str
    client_id: str
    user_id: str
    audience: str
    expires_at: datetime
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Users:
    """The users of all merchants."""

    engine: Engine
    vault: Vault

    async def load(self, merchant_id: int, user_id: str) -> User | None:
        """Return a user who was not ended."""
        rows = await self.engine.fetch("load_user", merchant_id, user_id)
        return self._user(rows[0]) if rows else None

    async def by_username(self, username: str) -> User | None:
        """Return the user who logs in by this name, of whichever merchant; letter case does not matter."""
        rows = await self.engine.fetch("find_login", self.login_key(username))
        return await self.load(*rows[0]) if rows else None

    def login_key(self, username: str) -> bytes:
        """Return the keyed hash a username is found under."""
        return self.vault.index(f"login/{username.casefold()}")

    def insert(self, user: User, space_ids: Iterable[str]) -> list[Write]:
        """Return the writes that add a user; a name that is taken anywhere is a `Conflict`."""
        u = user
        sealed = self.vault.seal(u.username.encode(), _place(u.user_id))
        values = (u.merchant_id, u.user_id, u.number, u.client_id, u.password_hash, sealed, to_us(u.created_at))
        return [
            Write("insert_user", values),
            Write("insert_login", (self.login_key(u.username), u.merchant_id, u.user_id)),
            *(Write("insert_user_space", (u.merchant_id, u.user_id, space_id)) for space_id in space_ids),
        ]

    def delete(self, user: User, at: datetime) -> list[Write]:
        """Return the writes that end a user and free the name."""
        key = (user.merchant_id, user.user_id)
        return [Write("delete_user", (*key, to_us(at))), Write("delete_login", key, None)]

    async def refresh_token(self, token: str) -> RefreshToken | None:
        """Return what a refresh token stands for, spent or not."""
        merchant_id = merchant_of(token)
        if merchant_id is None:
            return None
        rows = await self.engine.fetch("load_refresh_token", merchant_id, self.vault.fingerprint(token))
        return _refresh_token(merchant_id, rows[0]) if rows else None

    def keep_refresh(self, token: str, facts: RefreshToken) -> Write:
        """Return the write that makes a refresh token known."""
        f = facts
        values = (f.family, f.client_id, f.user_id, f.audience, to_us(f.expires_at))
        return Write("insert_refresh_token", (f.merchant_id, self.vault.fingerprint(token), *values))

    def use_refresh(self, token: str, merchant_id: int, at: datetime) -> Write:
        """Return the write that spends a refresh token; one that is spent is a `Conflict`."""
        return Write("use_refresh_token", (merchant_id, self.vault.fingerprint(token), to_us(at)))

    def end_family(self, facts: RefreshToken, at: datetime) -> Write:
        """Return the write that ends every token of a family."""
        return Write("revoke_refresh_family", (facts.merchant_id, facts.family, to_us(at)), None)

    def _user(self, row: Row) -> User:
        return User(
            merchant_id=row[0],
            user_id=row[1],
            number=row[2],
            client_id=row[3],
            password_hash=row[4],
            username=self.vault.open(row[5], _place(row[1])).decode(),
            created_at=from_us(row[6]),
        )


def _refresh_token(merchant_id: int, row: Row) -> RefreshToken:
    return RefreshToken(
        merchant_id=merchant_id,
        family=row[0],
        client_id=row[1],
        user_id=row[2],
        audience=row[3],
        expires_at=from_us(row[4]),
        spent=row[5] is not None or row[6] is not None,
    )


def _place(user_id: str) -> str:
    return f"users/{user_id}"
