"""Endpoints of merchants and the keys their deliveries are signed with, as rows; secrets are sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.deliveries import Resource, Secret, Topic, Webhook, WebhookAuth
from opengiro.domain.retry import Streak
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault

_decode = msgspec.json.Decoder(tuple[Secret, ...]).decode


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook that has something due, with the secrets to sign for it."""

    webhook: Webhook
    secrets: tuple[Secret, ...]
    parked: bool  #: whether something was given up there that may be sent once it accepts again


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The webhooks of all merchants; every method but `due` names the merchant."""

    engine: Engine
    vault: Vault

    async def all(self, merchant_id: int) -> list[Webhook]:
        """Return a merchant's webhooks, oldest first."""
        return [_webhook(row) for row in await self.engine.fetch("load_webhooks", merchant_id)]

    async def load(self, merchant_id: int, webhook_id: int) -> Webhook | None:
        """Return one webhook, unless it was deleted."""
        return next((one for one in await self.all(merchant_id) if one.webhook_id == webhook_id), None)

    async def next_id(self, merchant_id: int) -> int:
        """Return the number a new webhook would get; two that draw the same meet in a `Conflict`."""
        ((last,),) = await self.engine.fetch("last_webhook_id", merchant_id)
        return int(last) + 1

    async def due(self, now_us: int) -> list[Endpoint]:
        """Return endpoints with something due by their merchant's clock; `now_us` is real time."""
        return [self._endpoint(row) for row in await self.engine.fetch("load_due_webhooks", now_us)]

    async def every(self) -> list[tuple[int, int]]:
        """Return (merchant_id, webhook_id) of every webhook that ever was."""
        return [(merchant_id, webhook_id) for merchant_id, webhook_id in await self.engine.fetch("load_all_webhooks")]

    def insert(self, webhook: Webhook) -> Write:
        """Return the write that adds a webhook; a URL that is already registered is a `Conflict`."""
        w = webhook
        created = to_us(w.created_at)
        values = (w.merchant_id, w.webhook_id, w.dialect, w.topic, w.url, w.auth_id, created)
        return Write("insert_webhook", values)

    def insert_for_space(self, webhook: Webhook) -> Write:
        """Return the write that adds the webhook of an account space; one that has one is a `Conflict`."""
        w = webhook
        key = (w.merchant_id, w.webhook_id, w.dialect, w.topic, w.url, w.auth_id, to_us(w.created_at), w.space_id)
        return Write("insert_space_webhook", (*key, w.enabled, w.retries, *_kinds(w)))

    def update_for_space(self, webhook: Webhook) -> Write:
        """Return the write that changes the webhook of an account space and forgives its failures."""
        w = webhook
        key = (w.merchant_id, w.webhook_id, w.url, to_us(w.updated_at))
        return Write("update_space_webhook", (*key, w.enabled, w.retries, *_kinds(w)))

    async def of_space(self, merchant_id: int, space_id: str) -> Webhook | None:
        """Return the webhook of an account space."""
        return next((one for one in await self.all(merchant_id) if one.space_id == space_id), None)

    def update(self, webhook: Webhook) -> Write:
        """Return the write that changes URL and key, enables it and forgives its failures."""
        w = webhook
        return Write("update_webhook", (w.merchant_id, w.webhook_id, w.url, w.auth_id, to_us(w.updated_at)))

    def delete(self, merchant_id: int, webhook_id: int, at: datetime) -> Write:
        """Return the write that ends a webhook."""
        return Write("delete_webhook", (merchant_id, webhook_id, to_us(at)))

    def disable(self, webhook: Webhook, at: datetime) -> Write:
        """Return the write for a receiver that is gone."""
        return Write("disable_webhook", (webhook.merchant_id, webhook.webhook_id, to_us(at)), None)

    def count_failure(self, webhook: Webhook, *, timed_out: bool) -> Write:
        """Return the write that counts a failure; its row is the streak, for `streak_of`."""
        return Write("count_failure", (webhook.merchant_id, webhook.webhook_id, timed_out))

    def streak_of(self, row: Row) -> Streak:
        """Return the streak as `count_failure` left it."""
        return Streak(*row)

    def forgive(self, webhook: Webhook) -> Write:
        """Return the write that ends a streak of failures."""
        return Write("forgive_failures", (webhook.merchant_id, webhook.webhook_id), None)

    def pause(self, webhook: Webhook, at: datetime, until: datetime) -> Write:
        """Return the write that leaves an endpoint in peace, unless it already is."""
        return Write("pause_webhook", (webhook.merchant_id, webhook.webhook_id, to_us(at), to_us(until)), None)

    async def auths(self, merchant_id: int) -> list[WebhookAuth]:
        """Return a merchant's signing keys, oldest first."""
        return [self._auth(row) for row in await self.engine.fetch("load_webhook_auths", merchant_id)]

    async def next_auth_id(self, merchant_id: int) -> int:
        """Return the number a new signing key would get; two that draw the same meet in a `Conflict`."""
        ((last,),) = await self.engine.fetch("last_webhook_auth_id", merchant_id)
        return int(last) + 1

    def insert_auth(self, auth: WebhookAuth) -> Write:
        """Return the write that adds a signing key."""
        values = (auth.merchant_id, auth.auth_id, auth.kind, auth.name, self._seal(auth), to_us(auth.created_at))
        return Write("insert_webhook_auth", values)

    def update_auth(self, auth: WebhookAuth) -> Write:
        """Return the write that keeps a new name or new secrets."""
        return Write("update_webhook_auth", (auth.merchant_id, auth.auth_id, auth.name, self._seal(auth)))

    def delete_auth(self, merchant_id: int, auth_id: int, at: datetime) -> Write:
        """Return the write that ends a signing key; one that a webhook still uses is a `Conflict`."""
        return Write("delete_webhook_auth", (merchant_id, auth_id, to_us(at)))

    def _seal(self, auth: WebhookAuth) -> bytes:
        return self.vault.seal(msgspec.json.encode(auth.secrets), _place(auth.merchant_id, auth.auth_id))

    def _open(self, sealed: bytes, merchant_id: int, auth_id: int) -> tuple[Secret, ...]:
        return _decode(self.vault.open(sealed, _place(merchant_id, auth_id)))

    def _auth(self, row: Row) -> WebhookAuth:
        return WebhookAuth(
            merchant_id=row[0],
            auth_id=row[1],
            kind=row[2],
            name=row[3],
            secrets=self._open(row[4], row[0], row[1]),
            created_at=from_us(row[5]),
        )

    def _endpoint(self, row: Row) -> Endpoint:
        secrets = () if row[17] is None else self._open(row[17], row[0], row[5])
        return Endpoint(_webhook(row[:17]), secrets, bool(row[18]))


def _webhook(row: Row) -> Webhook:
    return Webhook(
        merchant_id=row[0],
        webhook_id=row[1],
        dialect=row[2],
        topic=Topic(row[3]),
        url=row[4],
        auth_id=row[5],
        created_at=from_us(row[6]),
        updated_at=from_us(row[7]),
        disabled_at=None if row[8] is None else from_us(row[8]),
        streak=Streak(*row[9:12]),
        paused_until=None if row[12] is None else from_us(row[12]),
        space_id=row[13],
        enabled=bool(row[14]),
        retries=row[15],
        kinds=msgspec.json.decode(row[16], type=tuple[str, ...]),
    )


def _kinds(webhook: Webhook) -> tuple[str, str]:
    """Return what its owner wrote, and what of it an event is looked for in: known words between spaces."""
    heard = [resource for resource in Resource if resource in {kind.lower() for kind in webhook.kinds}]
    return msgspec.json.encode(webhook.kinds).decode(), f" {' '.join(heard)} "


def _place(merchant_id: int, auth_id: int) -> str:
    return f"webhook_auths/{merchant_id}/{auth_id}"
