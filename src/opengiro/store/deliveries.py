"""Deliveries and their attempts as rows. The table is the queue: claimed by lease, settled under a fence.

A claim counts the row's fence up and holds it until the lease ends. Whoever comes back later than that finds
another fence, and nothing it says is saved. Bodies, headers and answers are sealed: they hold personal data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.deliveries import About, Delivery, DeliveryTry, Failure, Outcome, Stage, Verdict, Webhook
from opengiro.domain.retry import ATTEMPTS_MAX, HELD, KEPT
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault
    from opengiro.store.webhooks import Endpoint


class _Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of an attempt."""

    sent: tuple[tuple[str, str], ...] = ()
    heard: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


_decode = msgspec.json.Decoder(_Exchange).decode


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of all merchants; every method but `free_lapsed` names the merchant."""

    engine: Engine
    vault: Vault

    def insert_test(self, delivery: Delivery) -> Write:
        """Return the write that queues a delivery no move caused; its body is ready."""
        d = delivery
        values = (d.merchant_id, d.webhook_id, d.payment_id, to_us(d.created_at), d.data_id, self._seal_body(d))
        return Write("insert_test_delivery", values)

    def claim(self, wanted: Sequence[tuple[Webhook, datetime, int]], leased_until: datetime) -> list[Write]:
        """Return the writes that take what is due at endpoints; their rows are for `claimed`.

        Wanted are an endpoint, its merchant's time, and for how many it has room; `leased_until` is real time.
        """
        until = to_us(leased_until)
        keys = [(one.merchant_id, one.webhook_id, to_us(now), room) for one, now, room in wanted]
        if self.engine.kind == "postgres":  # where one statement does it for all of them
            return [Write("claim_deliveries", (*zip(*keys, strict=True), until), None)]
        return [Write("claim_deliveries", (*key, until), None) for key in keys]

    def claimed(self, rows: list[Row]) -> list[Delivery]:
        """Return what a claim took."""
        return [self._delivery(row) for row in rows]

    async def free_lapsed(self, now_us: int) -> None:
        """Put back what somebody claimed who then died; `now_us` is real time."""
        await self.engine.commit([Write("free_lapsed_deliveries", (now_us,), None)])

    async def backlog(self, now_us: int) -> tuple[int, int | None]:
        """Return how many deliveries are due at endpoints in use (counted to a limit), and since when the oldest is.

        `now_us` is real time; both figures follow each merchant's own clock.
        """
        ((due, oldest_us),) = await self.engine.fetch("load_backlog", now_us)
        return due, oldest_us

    def free(self, delivery: Delivery) -> Write:
        """Return the write that gives a claim back unused."""
        return Write("free_delivery", (*_key(delivery), delivery.fence), None)

    def save_body(self, delivery: Delivery) -> Write:
        """Return the write that fixes the bytes; not being the claimant any more is a `Conflict`."""
        values = (*_key(delivery), delivery.fence, delivery.data_id, self._seal_body(delivery))
        return Write("save_delivery_body", values)

    def settle(self, delivery: Delivery, verdict: Verdict, tried: DeliveryTry) -> list[Write]:
        """Return the writes that keep an attempt and what follows from it for the payment's later events."""
        due = to_us(verdict.due_at)
        writes = [
            Write("settle_delivery", (*_key(delivery), delivery.fence, verdict.stage, due, tried.attempt)),
            self._insert_try(delivery, tried),
        ]
        if verdict.stage is Stage.WAITING:
            writes.append(Write("hold_later_deliveries", (*_key(delivery), due), None))
        elif tried.attempt > 1:
            writes.append(Write("hasten_later_deliveries", (*_key(delivery), to_us(tried.at)), None))
        return writes

    def revive(self, endpoint: Endpoint, at: datetime) -> list[Write]:
        """Return the writes for an endpoint that accepts: parked deliveries, and after an outage all, are due.

        Where the receiver set the number of retries, what was given up stays so until somebody replays it.
        """
        webhook = endpoint.webhook
        key, after_outage = (webhook.merchant_id, webhook.webhook_id, to_us(at)), webhook.streak.broken
        writes = []
        if endpoint.parked and webhook.retries is None:
            writes.append(Write("revive_parked_deliveries", (*key, after_outage, ATTEMPTS_MAX), None))
        if after_outage:
            writes.append(Write("hasten_deliveries", key, None))
        return writes

    def replay(self, webhook: Webhook, data_id: int, at: datetime) -> Write:
        """Return the write that makes a delivery due again; nothing to replay is a `Conflict`."""
        return Write("replay_delivery", (webhook.merchant_id, webhook.webhook_id, data_id, to_us(at)))

    async def page(
        self, merchant_id: int, webhook_id: int, stage: Stage | None = None, limit: int = 100, offset: int = 0
    ) -> list[Delivery]:
        """Return deliveries of a webhook, newest first."""
        rows = await self.engine.fetch("load_deliveries", merchant_id, webhook_id, stage, limit, offset)
        return [self._delivery(row) for row in rows]

    async def log(
        self, merchant_id: int, webhook_id: int, limit: int = 100, offset: int = 0
    ) -> list[tuple[Delivery, DeliveryTry]]:
        """Return the attempts of a webhook, newest first, each with its delivery."""
        rows = await self.engine.fetch("load_delivery_tries", merchant_id, webhook_id, limit, offset)
        return [(self._delivery(row[:12]), self._try(row)) for row in rows]

    def forget_old(self, merchant_id: int, webhook_id: int, now: datetime) -> Write:
        """Return the write that drops what has been kept long enough."""
        values = (merchant_id, webhook_id, to_us(now - KEPT), to_us(now - HELD))
        return Write("delete_old_deliveries", values, None)

    def _insert_try(self, delivery: Delivery, tried: DeliveryTry) -> Write:
        outcome = tried.outcome
        exchange = _Exchange(tried.request_headers, outcome.headers, outcome.body)
        sealed = self.vault.seal(msgspec.json.encode(exchange), _try_place(delivery, tried.attempt))
        facts = (tried.attempt, to_us(tried.at), outcome.status, outcome.failure, outcome.duration_ms, sealed)
        return Write("insert_delivery_try", (*_key(delivery), *facts))

    def _seal_body(self, delivery: Delivery) -> bytes:
        return self.vault.seal(delivery.body or b"", _place(delivery))

    def _delivery(self, row: Row) -> Delivery:
        delivery = Delivery(
            merchant_id=row[0],
            webhook_id=row[1],
            payment_id=row[2],
            ordinal=row[3],
            stage=Stage(row[4]),
            created_at=from_us(row[5]),
            due_at=from_us(row[6]),
            attempts=row[7],
            fence=row[8],
            data_id=row[9],
        )
        delivery = delivery if row[11] is None else replace(delivery, about=About.parse(row[11]))
        return delivery if row[10] is None else replace(delivery, body=self.vault.open(row[10], _place(delivery)))

    def _try(self, row: Row) -> DeliveryTry:
        attempt, at_us, status, failure, duration_ms, sealed = row[12:]
        exchange = _decode(self.vault.open(sealed, _try_place(self._delivery((*row[:10], None, None)), attempt)))
        return DeliveryTry(
            attempt=attempt,
            at=from_us(at_us),
            request_headers=exchange.sent,
            outcome=Outcome(
                status=status,
                failure=failure and Failure(failure),
                headers=exchange.heard,
                body=exchange.body,
                duration_ms=duration_ms,
            ),
        )


def tell(merchant_id: int, payment_id: int, about: About, at: datetime) -> Write:
    """Return the write that queues an event for the endpoint of the payment's account space, if it has one."""
    return Write("fan_out_event", (merchant_id, payment_id, to_us(at), about.resource, str(about)), None)


def _key(delivery: Delivery) -> tuple[int, int, int, int]:
    return (delivery.merchant_id, delivery.webhook_id, delivery.payment_id, delivery.ordinal)


def _place(delivery: Delivery) -> str:
    return f"deliveries/{'/'.join(map(str, _key(delivery)))}"


def _try_place(delivery: Delivery, attempt: int) -> str:
    return f"delivery_tries/{'/'.join(map(str, _key(delivery)))}/{attempt}"
