"""The powens client, blocking and asynchronous: thin drivers of the calls in `wire`, alike line by line."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import uuid4

import httpx2

from opengiro_kit.exchange import Patience, run, run_async
from opengiro_kit.live import LiveToken
from opengiro_kit.powens import wire
from opengiro_kit.powens.objects import (
    BankAccount,
    ClientApplication,
    Connector,
    Credentials,
    NewPayment,
    Payment,
    PaymentPage,
    ScopedToken,
    SigningSecret,
    Terms,
    Webhook,
)

Answer = TypeVar("Answer")

PAYMENTS_ADMIN = "payments:admin"
VALIDATE = ("payments:validate",)
STATE_UPDATED = "PAYMENT_STATE_UPDATED"
TIMEOUT_S = 30


class PowensClient:
    """A blocking client of one powens service; safe to share between threads."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        http: httpx2.Client | None = None,
        scope: str = PAYMENTS_ADMIN,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self._http = http or httpx2.Client(timeout=TIMEOUT_S)
        self._session = wire.Session(credentials, scope, clock, patience or Patience())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create_payment(self, payment: NewPayment, *, idempotency_key: str | None = None) -> Payment:
        """Create a payment; the same key with the same payment answers the payment that exists already."""
        return self._ask(wire.create_payment(payment, idempotency_key or _key()))

    def payment(self, payment_id: int) -> Payment:
        """Read a payment."""
        return self._ask(wire.payment(payment_id))

    def payments(self, **filters: Unpack[wire.PaymentFilters]) -> PaymentPage:
        """List payments, narrowed by the filters of the wire."""
        return self._ask(wire.payments(filters))

    def scoped_token(self, payment_id: int, scopes: tuple[str, ...] = VALIDATE) -> ScopedToken:
        """Ask for a token that opens one payment, for the webview."""
        return self._ask(wire.scoped_token(payment_id, scopes, _key()))

    def live_token(self, payment_id: int) -> LiveToken:
        """Ask for what the payer's page follows one payment with, where the service has live status."""
        return self._ask(wire.live_token(payment_id, _key()))

    def webview_url(
        self, token: ScopedToken, redirect_uri: str, *, state: str | None = None, lang: str | None = None
    ) -> str:
        """Return the address of the hosted page where the payer approves the token's payment."""
        return wire.webview_url(self.credentials, token.id_payment, token.token, redirect_uri, state=state, lang=lang)

    def validate(
        self,
        payment_id: int,
        webview_url: str,
        *,
        connector_uuid: str | None = None,
        payer: BankAccount | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Payment:
        """Validate a payment now, without the hosted page; banks return to `webview_url`."""
        return self._update(payment_id, _validation(webview_url, connector_uuid, payer, fields))

    def resume(self, payment_id: int) -> Payment:
        """Ask whether a payer who approves elsewhere has done so."""
        return self._update(payment_id, {"resume": True})

    def submit_fields(self, payment_id: int, fields: Mapping[str, str]) -> Payment:
        """Answer the questions a bank asked."""
        return self._update(payment_id, {"fields": fields})

    def psu_validate(self, payment_id: int, *, approved: bool) -> Payment:
        """Say whether the payer approved the summary."""
        return self._update(payment_id, {"psu_validate": approved})

    def confirm(self, payment_id: int, *, confirmed: bool = True) -> Payment:
        """Confirm a payment that waits for the merchant, or refuse it."""
        return self._update(payment_id, {"confirm": confirmed})

    def cancel(self, payment_id: int, client_redirect_uri: str, client_state: str | None = None) -> Payment:
        """Cancel a payment; some banks want the payer's approval at its `validate_uri`."""
        return self._update(payment_id, _cancellation(client_redirect_uri, client_state))

    def terms(self, payment_id: int) -> Terms:
        """Read which terms apply to a payment."""
        return self._ask(wire.terms(payment_id))

    def accept_terms(self, payment_id: int, terms_id: int) -> None:
        """Record that the payer accepted the terms."""
        self._ask(wire.accept_terms(payment_id, terms_id, _key()))

    def connectors(
        self, *, country_codes: tuple[str, ...] = (), payment_id: int | None = None
    ) -> tuple[Connector, ...]:
        """List the banks, in some countries or able to carry one payment."""
        return self._ask(wire.connectors(country_codes, payment_id))

    def connector(self, uuid: str) -> Connector:
        """Read one bank."""
        return self._ask(wire.connector(uuid))

    def webhooks(self) -> tuple[Webhook, ...]:
        """List the registered webhooks."""
        return self._ask(wire.webhooks())

    def create_webhook(self, url: str, id_auth: int, event: str = STATE_UPDATED) -> Webhook:
        """Register a webhook whose deliveries are signed with a provider's secret."""
        return self._ask(wire.create_webhook(url, event, id_auth, _key()))

    def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self._ask(wire.delete_webhook(webhook_id))

    def create_signing_secret(self, name: str) -> SigningSecret:
        """Create an HMAC provider and learn its secret, which is told this once."""
        return self._ask(wire.create_signing_secret(name, _key()))

    def client_application(self) -> ClientApplication:
        """Read our own client and its redirect URIs."""
        return self._ask(wire.client_application(self.credentials.client_id))

    def allow_redirects(self, uris: tuple[str, ...]) -> ClientApplication:
        """Replace the redirect URIs of our own client."""
        return self._ask(wire.allow_redirects(self.credentials.client_id, uris))

    def _update(self, payment_id: int, body: Mapping[str, Any]) -> Payment:
        return self._ask(wire.update_payment(payment_id, body, _key()))

    def _ask(self, call: wire.Call[Answer]) -> Answer:
        return run(self._session.talk(call), self._http, self._session.base_url)


class AsyncPowensClient:
    """The same client for asyncio; one event loop each."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        http: httpx2.AsyncClient | None = None,
        scope: str = PAYMENTS_ADMIN,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self._http = http or httpx2.AsyncClient(timeout=TIMEOUT_S)
        self._session = wire.Session(credentials, scope, clock, patience or Patience())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create_payment(self, payment: NewPayment, *, idempotency_key: str | None = None) -> Payment:
        """Create a payment; the same key with the same payment answers the payment that exists already."""
        return await self._ask(wire.create_payment(payment, idempotency_key or _key()))

    async def payment(self, payment_id: int) -> Payment:
        """Read a payment."""
        return await self._ask(wire.payment(payment_id))

    async def payments(self, **filters: Unpack[wire.PaymentFilters]) -> PaymentPage:
        """List payments, narrowed by the filters of the wire."""
        return await self._ask(wire.payments(filters))

    async def scoped_token(self, payment_id: int, scopes: tuple[str, ...] = VALIDATE) -> ScopedToken:
        """Ask for a token that opens one payment, for the webview."""
        return await self._ask(wire.scoped_token(payment_id, scopes, _key()))

    async def live_token(self, payment_id: int) -> LiveToken:
        """Ask for what the payer's page follows one payment with, where the service has live status."""
        return await self._ask(wire.live_token(payment_id, _key()))

    def webview_url(
        self, token: ScopedToken, redirect_uri: str, *, state: str | None = None, lang: str | None = None
    ) -> str:
        """Return the address of the hosted page where the payer approves the token's payment."""
        return wire.webview_url(self.credentials, token.id_payment, token.token, redirect_uri, state=state, lang=lang)

    async def validate(
        self,
        payment_id: int,
        webview_url: str,
        *,
        connector_uuid: str | None = None,
        payer: BankAccount | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Payment:
        """Validate a payment now, without the hosted page; banks return to `webview_url`."""
        return await self._update(payment_id, _validation(webview_url, connector_uuid, payer, fields))

    async def resume(self, payment_id: int) -> Payment:
        """Ask whether a payer who approves elsewhere has done so."""
        return await self._update(payment_id, {"resume": True})

    async def submit_fields(self, payment_id: int, fields: Mapping[str, str]) -> Payment:
        """Answer the questions a bank asked."""
        return await self._update(payment_id, {"fields": fields})

    async def psu_validate(self, payment_id: int, *, approved: bool) -> Payment:
        """Say whether the payer approved the summary."""
        return await self._update(payment_id, {"psu_validate": approved})

    async def confirm(self, payment_id: int, *, confirmed: bool = True) -> Payment:
        """Confirm a payment that waits for the merchant, or refuse it."""
        return await self._update(payment_id, {"confirm": confirmed})

    async def cancel(self, payment_id: int, client_redirect_uri: str, client_state: str | None = None) -> Payment:
        """Cancel a payment; some banks want the payer's approval at its `validate_uri`."""
        return await self._update(payment_id, _cancellation(client_redirect_uri, client_state))

    async def terms(self, payment_id: int) -> Terms:
        """Read which terms apply to a payment."""
        return await self._ask(wire.terms(payment_id))

    async def accept_terms(self, payment_id: int, terms_id: int) -> None:
        """Record that the payer accepted the terms."""
        await self._ask(wire.accept_terms(payment_id, terms_id, _key()))

    async def connectors(
        self, *, country_codes: tuple[str, ...] = (), payment_id: int | None = None
    ) -> tuple[Connector, ...]:
        """List the banks, in some countries or able to carry one payment."""
        return await self._ask(wire.connectors(country_codes, payment_id))

    async def connector(self, uuid: str) -> Connector:
        """Read one bank."""
        return await self._ask(wire.connector(uuid))

    async def webhooks(self) -> tuple[Webhook, ...]:
        """List the registered webhooks."""
        return await self._ask(wire.webhooks())

    async def create_webhook(self, url: str, id_auth: int, event: str = STATE_UPDATED) -> Webhook:
        """Register a webhook whose deliveries are signed with a provider's secret."""
        return await self._ask(wire.create_webhook(url, event, id_auth, _key()))

    async def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        await self._ask(wire.delete_webhook(webhook_id))

    async def create_signing_secret(self, name: str) -> SigningSecret:
        """Create an HMAC provider and learn its secret, which is told this once."""
        return await self._ask(wire.create_signing_secret(name, _key()))

    async def client_application(self) -> ClientApplication:
        """Read our own client and its redirect URIs."""
        return await self._ask(wire.client_application(self.credentials.client_id))

    async def allow_redirects(self, uris: tuple[str, ...]) -> ClientApplication:
        """Replace the redirect URIs of our own client."""
        return await self._ask(wire.allow_redirects(self.credentials.client_id, uris))

    async def _update(self, payment_id: int, body: Mapping[str, Any]) -> Payment:
        return await self._ask(wire.update_payment(payment_id, body, _key()))

    async def _ask(self, call: wire.Call[Answer]) -> Answer:
        return await run_async(self._session.talk(call), self._http, self._session.base_url)


def _key() -> str:
    return str(uuid4())


def _validation(
    webview_url: str,
    connector_uuid: str | None,
    payer: BankAccount | None,
    fields: Mapping[str, str] | None,
) -> dict[str, Any]:
    body = {"validate_mechanism": "webauth", "webview_url": webview_url, "validated": True}
    more = {"connector_uuid": connector_uuid, "payer": payer, "fields": fields}
    return body | {name: value for name, value in more.items() if value is not None}


def _cancellation(client_redirect_uri: str, client_state: str | None) -> dict[str, Any]:
    body = {"cancel": True, "client_redirect_uri": client_redirect_uri}
    return body if client_state is None else {**body, "client_state": client_state}
