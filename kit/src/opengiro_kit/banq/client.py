"""The banq client, blocking and asynchronous: thin drivers of the calls in `wire`, alike line by line.

Where an account space is not named, it is the one of the credentials.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar, Unpack
from uuid import uuid4

import httpx2
import msgspec

from opengiro_kit.banq import wire
from opengiro_kit.banq.objects import (
    AccountList,
    Credentials,
    Include,
    NewPayment,
    PaidLink,
    Payment,
    PaymentList,
    Topic,
    Transaction,
    TransactionList,
    User,
    WebhookConfig,
)
from opengiro_kit.exchange import Patience, run, run_async
from opengiro_kit.live import LiveToken

Answer = TypeVar("Answer")
Funded = TypeVar("Funded", Payment, Transaction)

ALL = (Include.ACCOUNT_SPACES, Include.BANQ_ACCOUNTS)
TOPICS = (Topic.PAYMENT, Topic.TRANSACTION)
RETRIES = 5
TIMEOUT_S = 30


class BanqClient:
    """A blocking client of one banq service; safe to share between threads."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        http: httpx2.Client | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self._http = http or httpx2.Client(timeout=TIMEOUT_S)
        self._session = wire.Session(credentials, clock, patience or Patience())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get_paid_link(self, payment: NewPayment, *, idempotency_key: str | None = None) -> PaidLink:
        """Ask for a payment link; the same key with the same payment answers the link that exists already."""
        return self._ask(wire.get_paid_link(payment, self.credentials.banq_guid, idempotency_key or _key()))

    def payment(self, reference: int | str) -> Payment:
        """Read a payment by its guid or number."""
        return _with_currency(self._ask(wire.payment(reference)), self.credentials.currency)

    def payments(self, **paging: Unpack[wire.OrderPaging]) -> PaymentList:
        """List payments, of one order or all."""
        return self._ask(wire.payments(paging))

    def cancel(self, reference: int | str) -> Payment:
        """Cancel a payment or stop a recurring one, where the service can."""
        return self._ask(wire.cancel(reference, _key()))

    def live_token(self, reference: int | str) -> LiveToken:
        """Ask for what the payer's page follows one payment with, where the service has live status."""
        return self._ask(wire.live_token(reference, _key()))

    def transaction(self, reference: int | str) -> Transaction:
        """Read a transaction by its guid or number."""
        return _with_currency(self._ask(wire.transaction(reference)), self.credentials.currency)

    def transactions(self, **paging: Unpack[wire.OrderPaging]) -> TransactionList:
        """List transactions, of one order or all."""
        return self._ask(wire.transactions(paging))

    def banqs(self, **paging: Unpack[wire.Paging]) -> AccountList:
        """List the accounts that can be paid to."""
        return self._ask(wire.banqs(paging))

    def me(self, include: tuple[Include, ...] = ALL) -> User:
        """Read the merchant user, its spaces and its accounts; this needs the user's own password."""
        return self._ask(wire.me(include))

    def webhook_config(self, space: str = "") -> WebhookConfig:
        """Read where the events of a space go."""
        return self._ask(wire.webhook_config(self._space(space)))

    def create_webhook_config(
        self,
        url: str,
        *,
        space: str = "",
        topics: tuple[Topic, ...] = TOPICS,
        retry_count: int = RETRIES,
        enabled: bool = True,
    ) -> WebhookConfig:
        """Register where the events of a space go, in place of what was registered before."""
        return self._ask(wire.create_webhook_config(self._space(space), url, topics, retry_count, enabled, _key()))

    def change_webhook_config(self, space: str = "", **changes: Unpack[wire.WebhookChanges]) -> WebhookConfig:
        """Change some of where the events of a space go."""
        return self._ask(wire.change_webhook_config(self._space(space), changes))

    def delete_webhook_config(self, space: str = "") -> None:
        """Send the events of a space nowhere."""
        self._ask(wire.delete_webhook_config(self._space(space)))

    def _space(self, space: str) -> str:
        return space or self.credentials.account_space_id

    def _ask(self, call: wire.Call[Answer]) -> Answer:
        return run(self._session.talk(call), self._http, "")


class AsyncBanqClient:
    """The same client for asyncio; one event loop each."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        http: httpx2.AsyncClient | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self._http = http or httpx2.AsyncClient(timeout=TIMEOUT_S)
        self._session = wire.Session(credentials, clock, patience or Patience())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get_paid_link(self, payment: NewPayment, *, idempotency_key: str | None = None) -> PaidLink:
        """Ask for a payment link; the same key with the same payment answers the link that exists already."""
        return await self._ask(wire.get_paid_link(payment, self.credentials.banq_guid, idempotency_key or _key()))

    async def payment(self, reference: int | str) -> Payment:
        """Read a payment by its guid or number."""
        return _with_currency(await self._ask(wire.payment(reference)), self.credentials.currency)

    async def payments(self, **paging: Unpack[wire.OrderPaging]) -> PaymentList:
        """List payments, of one order or all."""
        return await self._ask(wire.payments(paging))

    async def cancel(self, reference: int | str) -> Payment:
        """Cancel a payment or stop a recurring one, where the service can."""
        return await self._ask(wire.cancel(reference, _key()))

    async def live_token(self, reference: int | str) -> LiveToken:
        """Ask for what the payer's page follows one payment with, where the service has live status."""
        return await self._ask(wire.live_token(reference, _key()))

    async def transaction(self, reference: int | str) -> Transaction:
        """Read a transaction by its guid or number."""
        return _with_currency(await self._ask(wire.transaction(reference)), self.credentials.currency)

    async def transactions(self, **paging: Unpack[wire.OrderPaging]) -> TransactionList:
        """List transactions, of one order or all."""
        return await self._ask(wire.transactions(paging))

    async def banqs(self, **paging: Unpack[wire.Paging]) -> AccountList:
        """List the accounts that can be paid to."""
        return await self._ask(wire.banqs(paging))

    async def me(self, include: tuple[Include, ...] = ALL) -> User:
        """Read the merchant user, its spaces and its accounts; this needs the user's own password."""
        return await self._ask(wire.me(include))

    async def webhook_config(self, space: str = "") -> WebhookConfig:
        """Read where the events of a space go."""
        return await self._ask(wire.webhook_config(self._space(space)))

    async def create_webhook_config(
        self,
        url: str,
        *,
        space: str = "",
        topics: tuple[Topic, ...] = TOPICS,
        retry_count: int = RETRIES,
        enabled: bool = True,
    ) -> WebhookConfig:
        """Register where the events of a space go, in place of what was registered before."""
        return await self._ask(
            wire.create_webhook_config(self._space(space), url, topics, retry_count, enabled, _key())
        )

    async def change_webhook_config(self, space: str = "", **changes: Unpack[wire.WebhookChanges]) -> WebhookConfig:
        """Change some of where the events of a space go."""
        return await self._ask(wire.change_webhook_config(self._space(space), changes))

    async def delete_webhook_config(self, space: str = "") -> None:
        """Send the events of a space nowhere."""
        await self._ask(wire.delete_webhook_config(self._space(space)))

    def _space(self, space: str) -> str:
        return space or self.credentials.account_space_id

    async def _ask(self, call: wire.Call[Answer]) -> Answer:
        return await run_async(self._session.talk(call), self._http, "")


def _key() -> str:
    return str(uuid4())


def _with_currency(told: Funded, currency: str) -> Funded:
    if told.currency is not None or not currency:
        return told
    return msgspec.structs.replace(told, currency=currency)
