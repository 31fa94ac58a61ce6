"""Tokens and checkout sessions. Only hashes are kept, so a copy of the database opens nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.identifiers import merchant_of
from opengiro.domain.rights import Principal, Right
from opengiro.store.engines import Row, Write
from opengiro.store.known import Known

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A payer's visit to the hosted pages. `redirect_uri` and `client_state` came with the link that opened it."""

    merchant_id: int
    handle: str
    secret_hash: bytes
    payment_id: int
    dialect: str
    language: str | None
    redirect_uri: str | None
    client_state: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens by their hash."""

    engine: Engine
    vault: Vault
    known: Known[bytes, Principal] = field(default_factory=Known)

    async def load(self, token: str) -> Principal | None:
        """Return whom a token stands for; the caller judges its expiry by that merchant's clock."""
        merchant_id = merchant_of(token)
        if merchant_id is None:
            return None
        digest, read_at = _digest(token), self.known.now()
        if principal := self.known.get(digest):
            return principal
        rows = await self.engine.fetch("load_token", merchant_id, self.vault.fingerprint(token))
        return self.known.keep(digest, _principal(merchant_id, rows[0]), read_at) if rows else None

    def insert(self, token: str, principal: Principal) -> Write:
        """Return the write that makes a token known."""
        p = principal
        rights = " ".join(sorted(p.rights))
        expires = p.expires_at and to_us(p.expires_at)
        values = (p.merchant_id, self.vault.fingerprint(token), p.client_id, p.payment_id, rights, expires)
        return Write("insert_token", values)

    def revoke(self, token: str, merchant_id: int, at: datetime) -> Write:
        """Return the write that ends a token, which is not known from now on."""
        self.known.forget(_digest(token))
        return Write("revoke_token", (merchant_id, self.vault.fingerprint(token), to_us(at)), None)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Checkout sessions by their public handle."""

    engine: Engine

    def insert(self, session: Session) -> Write:
        """Return the write that opens a session."""
        s = session
        values = (s.merchant_id, s.handle, s.secret_hash, s.payment_id, s.dialect, s.language, s.redirect_uri)
        return Write("insert_session", (*values, s.client_state, to_us(s.expires_at)))

    async def load(self, merchant_id: int, handle: str) -> Session | None:
        """Return a session; whoever asks has still to prove that it is theirs."""
        rows = await self.engine.fetch("load_session", merchant_id, handle)
        return _session(rows[0]) if rows else None

    async def latest(self, merchant_id: int, payment_id: int) -> Session | None:
        """Return the session a payment was last opened in."""
        rows = await self.engine.fetch("load_latest_session", merchant_id, payment_id)
        return _session(rows[0]) if rows else None


def _digest(token: str) -> bytes:
    """Return what a token is known by in memory, where it should not lie about in clear."""
    return hashlib.sha256(token.encode()).digest()


def _principal(merchant_id: int, row: Row) -> Principal:
    return Principal(
        merchant_id=merchant_id,
        client_id=row[0],
        payment_id=row[1],
        rights=frozenset(map(Right, row[2].split())),
        expires_at=None if row[3] is None else from_us(row[3]),
    )


def _session(row: Row) -> Session:
    return Session(
        merchant_id=row[0],
        handle=row[1],
        secret_hash=row[2],
        payment_id=row[3],
        dialect=row[4],
        language=row[5],
        redirect_uri=row[6],
        client_state=row[7],
        expires_at=from_us(row[8]),
    )
