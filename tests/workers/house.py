"""A server's delivery side on a real database: a merchant, payments that move, and a clock to move."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import Line
from opengiro.domain.clock import Clock
from opengiro.domain.deliveries import Delivery, DeliveryTry, Stage, Webhook, WebhookAuth
from opengiro.domain.identifiers import guid7, payment_id
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.merchants import Merchant
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Instruction, Payment, advance
from opengiro.store import Store
from opengiro.store.vault import open_vault
from opengiro.usecases import Core
from opengiro.usecases.create_webhook_auth import create_webhook_auth
from opengiro.usecases.deliver_event import Event, Send
from opengiro.usecases.register_webhook import RegisterWebhook, register_webhook
from opengiro.workers.deliver import Deliverer
from opengiro.workers.guard import Guard
from opengiro.workers.post import Post
from tests import engines

SHOP = Merchant(merchant_id=7, domain="shop", name="Shop", legal_name="Shop SARL", zone="Europe/Paris")
IBAN = "FR7630006000011234567890189"
_chance = (number.to_bytes(2, "big") for number in itertools.cycle(range(0, 65536, 16)))  # no id twice


class NoBank:
    """The way to banks, which deliveries never take."""

    async def send(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise AssertionError("a delivery asked a bank")


@dataclass(slots=True)
class House:
    """Everything a story about deliveries needs."""

    core: Core
    post: Post
    guard: Guard
    renders: dict[str, Callable[[Event], bytes]] = field(default_factory=lambda: {"plain": render})

    def worker(self, send: Send | None = None) -> Deliverer:
        """Return a worker; several may share the house."""
        return Deliverer(self.core, send or self.post.send, self.renders)

    async def deliver(self, worker: Deliverer | None = None) -> None:
        """Deliver until nothing is due."""
        worker = worker or self.worker()
        await worker.turn()
        while worker.busy:
            await worker.settle()
            await worker.turn()

    async def auth(self) -> WebhookAuth:
        """Make a signing key."""
        return await create_webhook_auth(self.core, SHOP.merchant_id, "key", "test")

    async def webhook(self, url: str, auth: WebhookAuth | None = None) -> Webhook:
        """Register an endpoint."""
        command = RegisterWebhook(
            merchant_id=SHOP.merchant_id,
            dialect="plain",
            url=url,
            actor="test",
            auth_id=auth.auth_id if auth else None,
        )
        return await register_webhook(self.core, command)

    async def payment(self) -> Payment:
        """Create a payment."""
        now = self.core.now(SHOP.merchant_id)
        payment = Payment(
            merchant_id=SHOP.merchant_id,
            payment_id=payment_id(now, next(_chance)),
            guid=guid7(now, os.urandom(10)),
            client_id="7000001",
            created_at=now,
            expires_at=now + timedelta(days=30),
            dialect="powens",
            redirect_uri="https://shop.test/",
            client_state=None,
            instructions=(
                Instruction("e2e-1", Money(5090, "EUR"), "Order 1", Execution.INSTANT, None,
                            Account(Scheme.IBAN, IBAN, "Shop SARL")),
            ),
        )  # fmt: skip
        await self.core.store.commit(self.core.store.payments.create(payment))
        return payment

    async def move(self, payment: Payment, *triggers: Trigger, background: bool = False) -> Payment:
        """Move a payment the way the write path does."""
        after, moves = advance(payment, triggers, self.core.now(SHOP.merchant_id))
        after = replace(after, version=payment.version + 1)
        await self.core.store.commit(self.core.store.payments.save_moves(after, payment, moves, background=background))
        self.core.bell.moved.set()
        return after

    async def moved_payment(self) -> Payment:
        """Create a payment and move it once."""
        return await self.move(await self.payment(), Trigger.PAYER_CHOSE_BANK)

    async def later(self, by: timedelta) -> None:
        """Move the merchant's clock ahead."""
        offset = self.core.clock.offset(SHOP.merchant_id) + by
        self.core.clock.move(SHOP.merchant_id, offset)
        await self.core.store.merchants.save_offset(SHOP.merchant_id, offset // timedelta(microseconds=1))

    async def setting(self, key: str, value: str) -> None:
        """Change a setting of the merchant."""
        merchant = await self.core.merchant(SHOP.merchant_id)
        await self.core.store.merchants.save_settings(merchant, {key: value}, "test", self.core.now(SHOP.merchant_id))

    async def deliveries(self, webhook: Webhook, stage: Stage | None = None) -> list[Delivery]:
        """Return an endpoint's deliveries, oldest first."""
        page = await self.core.store.deliveries.page(webhook.merchant_id, webhook.webhook_id, stage, 1000)
        return page[::-1]

    async def log(self, webhook: Webhook) -> list[tuple[Delivery, DeliveryTry]]:
        """Return an endpoint's attempts, oldest first."""
        return (await self.core.store.deliveries.log(webhook.merchant_id, webhook.webhook_id, 1000))[::-1]

    async def fresh(self, webhook: Webhook) -> Webhook:
        """Return a webhook as it is now."""
        found = await self.core.store.webhooks.load(webhook.merchant_id, webhook.webhook_id)
        assert found is not None
        return found


def render(event: Event) -> bytes:
    """Write an event in as few words as the tests need."""
    body = {
        "id": event.payment.payment_id,
        "state": event.payment.state,
        "id_webhook_data": event.data_id,
        "sequence": event.sequence,
    }
    return json.dumps(body).encode()


@contextlib.asynccontextmanager
async def house(data: Path, *, deadline_s: float = 5, clock: Clock | None = None) -> AsyncIterator[House]:
    """Open a house on a folder; opening it again is a restart."""
    store = Store(await engines.opened(data), open_vault(data / "root.key"))
    guard = Guard(frozenset({"*"}))
    line: Line = NoBank()  # type: ignore[assignment]
    core = Core(
        store=store,
        clock=clock or Clock(),
        chance=os.urandom,
        line=line,
        connectors={},
        complain=guard.complaint,
        own_url="http://127.0.0.1:1",
    )
    if await store.merchants.load(SHOP.merchant_id) is None:
        await store.merchants.save(SHOP, core.clock.real())
    async with Post(guard, deadline_s=deadline_s) as post:
        yield House(core, post, guard)
    await guard.close()
    await store.close()
