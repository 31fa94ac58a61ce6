"""Merchants with their settings, their applications, and the record of who changed what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.merchants import Application, Merchant
from opengiro.store.engines import Row, Write
from opengiro.store.house import CLOCKS, changed
from opengiro.store.known import Known

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.domain.rights import Principal
    from opengiro.store.engines import Engine


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit record: what a subject was and became."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    was: str | None
    became: str | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting and since when it has this value."""

    value: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Merchants:
    """Tenants. One that was loaded is known for a second, because every call needs its settings."""

    engine: Engine
    known: Known[int, Merchant] = field(default_factory=Known)

    async def load(self, merchant_id: int) -> Merchant | None:
        """Return a merchant with its settings, at most a second old."""
        if merchant := self.known.get(merchant_id):
            return merchant
        read_at = self.known.now()
        rows = await self.engine.fetch("load_merchant", merchant_id)
        if not rows:
            return None
        settings: dict[str, str] = dict(await self.engine.fetch("load_settings", merchant_id))
        return self.known.keep(merchant_id, _merchant(rows[0], settings), read_at)

    async def all(self) -> list[tuple[Merchant, int]]:
        """Return every merchant without settings, and its clock's offset in microseconds."""
        return [(_merchant(row[:5], {}), row[5]) for row in await self.engine.fetch("load_merchants")]

    async def offsets(self) -> dict[int, int]:
        """Return by how many microseconds each clock is off that somebody moved."""
        return dict(await self.engine.fetch("load_clock_offsets"))

    async def save(self, merchant: Merchant, at: datetime) -> None:
        """Add a new merchant."""
        m = merchant
        await self.engine.commit(
            [Write("insert_merchant", (m.merchant_id, m.domain, m.name, m.legal_name, m.zone, to_us(at)))]
        )

    async def save_offset(self, merchant_id: int, offset_us: int, *, back_to: datetime | None = None) -> None:
        """Keep how far a merchant's clock was moved; what is due after `back_to`, when it moved back, is due then."""
        writes = [Write("update_clock_offset", (merchant_id, offset_us)), changed(CLOCKS)]
        if back_to is not None:
            for name in ("hasten_attempts", "hasten_all_deliveries", "end_pauses"):
                writes.append(Write(name, (merchant_id, to_us(back_to)), None))
        await self.engine.commit(writes)

    async def save_settings(self, merchant: Merchant, changes: dict[str, str], actor: str, at: datetime) -> None:
        """Change settings and record each change."""
        writes = []
        for key, value in changes.items():
            writes.append(Write("upsert_setting", (merchant.merchant_id, key, value, to_us(at)), None))
            was = merchant.settings.get(key)
            writes.append(audit(merchant.merchant_id, at, actor, "setting", key, was, value))
        await self.engine.commit(writes)
        self.known.forget(merchant.merchant_id)

    async def setting(self, merchant_id: int, key: str) -> Setting | None:
        """Return one setting as it is saved."""
        rows = await self.engine.fetch("load_setting", merchant_id, key)
        return Setting(rows[0][0], from_us(rows[0][1])) if rows else None

    async def history(self, merchant_id: int, action: str, limit: int) -> list[Entry]:
        """Return the newest entries of one kind."""
        rows = await self.engine.fetch("load_audit", merchant_id, action, limit)
        return [Entry(row[0], from_us(row[1]), *row[2:]) for row in rows]


@dataclass(frozen=True, slots=True)
class Applications:
    """API credentials of merchants; secrets are kept as hashes."""

    engine: Engine
    tokens: Known[bytes, Principal] = field(default_factory=Known)  #: of those that die with an application
    known: Known[tuple[int, str], Application] = field(default_factory=Known)

    async def load(self, merchant_id: int, client_id: str) -> Application | None:
        """Return an application that was not deleted."""
        rows = await self.engine.fetch("load_application", merchant_id, client_id)
        return _application(rows[0]) if rows else None

    async def recent(self, merchant_id: int, client_id: str) -> Application | None:
        """Return an application as it was at most a second ago; whoever changes one loads it."""
        key = (merchant_id, client_id)
        if application := self.known.get(key):
            return application
        read_at = self.known.now()
        application = await self.load(merchant_id, client_id)
        return self.known.keep(key, application, read_at) if application else None

    async def all(self, merchant_id: int) -> list[Application]:
        """Return a merchant's applications, oldest first."""
        return [_application(row) for row in await self.engine.fetch("load_applications", merchant_id)]

    async def insert(self, application: Application, actor: str) -> None:
        """Add an application."""
        a = application
        values = (*_values(a), to_us(a.created_at))
        record = audit(a.merchant_id, a.created_at, actor, "application", a.client_id, None, a.name)
        await self.engine.commit([Write("insert_application", values), record])

    async def update(self, application: Application, before: Application, actor: str, at: datetime) -> None:
        """Replace name, redirect URIs, configuration and secret."""
        a = application
        values = (a.merchant_id, a.client_id, a.name, *_texts(a), a.secret_hash)
        was, became = (" ".join(one.redirect_uris) for one in (before, a))
        record = audit(a.merchant_id, at, actor, "application", a.client_id, was, became)
        await self.engine.commit([Write("update_application", values), record])
        self.known.forget((a.merchant_id, a.client_id))

    async def delete(self, application: Application, actor: str, at: datetime) -> None:
        """Delete an application; its tokens die with it."""
        a = application
        record = audit(a.merchant_id, at, actor, "application", a.client_id, a.name, None)
        gone = Write("delete_application", (a.merchant_id, a.client_id, to_us(at)))
        await self.engine.commit([gone, record])
        self.known.forget((a.merchant_id, a.client_id))
        self.tokens.forget_all()


def audit(
    merchant_id: int, at: datetime, actor: str, action: str, subject: str, was: str | None, became: str | None
) -> Write:
    """Return the write that records a change; secrets never belong in it."""
    return Write("insert_audit", (merchant_id, to_us(at), actor, action, subject, was, became))


def _values(a: Application) -> tuple[object, ...]:
    return (a.merchant_id, a.client_id, a.name, a.secret_hash, *_texts(a))


def _texts(a: Application) -> tuple[str, str]:
    uris = msgspec.json.encode(a.redirect_uris).decode()
    return uris, msgspec.json.encode(dict(a.config)).decode()


def _merchant(row: Row, settings: dict[str, str]) -> Merchant:
    return Merchant(
        merchant_id=row[0], domain=row[1], name=row[2], legal_name=row[3], zone=row[4], settings=settings
    )  # fmt: skip


def _application(row: Row) -> Application:
    return Application(
        merchant_id=row[0],
        client_id=row[1],
        name=row[2],
        redirect_uris=msgspec.json.decode(row[3], type=tuple[str, ...]),
        secret_hash=row[4],
        created_at=from_us(row[5]),
        config=msgspec.json.decode(row[6], type=dict[str, str]),
    )
