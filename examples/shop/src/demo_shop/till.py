"""Where the shop is paid: everything it does with the kit.

Starting a payment is safe to repeat: the same order and try have the same idempotency key, so a double click ends in
one payment. Whatever tells the shop to look, a returning browser, a webhook or the sweeper, ends in `look`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from opengiro_kit import AnyPayment, AsyncBanqClient, Declined, Outcome, Payment, Settlement, SqliteLedger, settle_async
from opengiro_kit import Order as Expected
from opengiro_kit import banq as banq_wire
from opengiro_kit.live import LiveToken
from opengiro_kit.powens import (
    AsyncPowensClient,
    BankAccount,
    Execution,
    Identity,
    NewInstruction,
    NewPayment,
)

from demo_shop.book import WIDGET, Book, Order, Try, insert_event, mark_paid
from demo_shop.catalogue import MINOR_DIGITS

EXECUTIONS = {"instant": Execution.INSTANT, "standard": Execution.FIRST_OPEN_DAY}


@dataclass(frozen=True, slots=True)
class Payee:
    """The shop as its bank knows it."""

    iban: str
    legal_name: str
    legal_status: str
    siren: str


BRISE_ET_FILS = Payee("FR7630006000011234567890189", "Brise et Fils SARL", "SARL", "552100554")


class Till:
    """Takes payments for orders and settles them."""

    def __init__(
        self,
        client: AsyncPowensClient,
        book: Book,
        return_url: str,
        now: Callable[[], datetime],
        payee: Payee = BRISE_ET_FILS,
        banq: AsyncBanqClient | None = None,
    ) -> None:
        self.client = client
        self.banq = banq
        self.return_url = return_url
        self._book = book
        self._ledger = SqliteLedger(book.path)
        self._now = now
        self._payee = payee

    async def start(self, order: Order, speed: str, lang: str) -> str:
        """Return the address where the payer goes on, creating the payment unless the order has one."""
        execution = EXECUTIONS[speed]
        await self._give_up_other(order, execution.value)
        tried = self._book.open_try(order.id, execution.value)
        payment = await self._payment(order, tried)
        token = await self.client.scoped_token(payment.id)
        self._book.note_event(order.id, "sent", str(payment.id))
        return self.client.webview_url(token, self.return_url, state=order.id, lang=lang)

    async def link(self, order: Order) -> str:
        """Return the link that the widget opens and a phone can scan, making the payment unless there is one."""
        await self._give_up_other(order, WIDGET)
        tried = self._book.open_try(order.id, WIDGET)
        if isinstance(tried.payment_id, str):
            return (await self._banq().payment(tried.payment_id)).url or ""
        wanted = banq_wire.NewPayment(
            funds=amount(order.total_minor),
            comment=label(order),
            external_order_code=order.id,
            currency=order.currency,
        )
        link = await self._banq().get_paid_link(wanted, idempotency_key=idempotency_key(order, tried))
        if link.payment:
            self._note(order, tried, link.payment)
        self._book.note_event(order.id, "linked")
        return link.url

    async def live(self, order: Order) -> LiveToken | None:
        """Return what the order's page follows its payment with; None while there is nothing to follow."""
        match order.last_try and order.last_try.payment_id:
            case str(guid):
                return await self._banq().live_token(guid)
            case int(number):
                return await self.client.live_token(number)
        return None

    async def look(self, order: Order) -> Settlement[AnyPayment] | None:
        """Read the order's payment and settle the order once; None while there is no payment."""
        tried = order.last_try
        if tried is None or tried.payment_id is None:
            return None
        return await self._look_at(order, tried, tried.payment_id)

    async def cancel(self, order: Order) -> None:
        """Cancel the order's payment if its bank still lets go of it, and take note of the truth."""
        match order.last_try and order.last_try.payment_id:
            case str(guid):
                await self._banq().cancel(guid)
            case int(number):
                await self.client.cancel(number, self.return_url, order.id)
            case _:
                return
        await self.look(order)

    async def _look_at(self, order: Order, tried: Try, payment_id: int | str) -> Settlement[AnyPayment]:
        expected = Expected(order.id, payment_id, amount(order.total_minor), order.currency)
        settlement: Settlement[AnyPayment] = await settle_async(
            self._banq() if isinstance(payment_id, str) else self.client,
            expected,
            self._ledger,
            lambda transaction, payment: self._paid(transaction, order, payment),
            lambda transaction, payment: self._failed(transaction, order, payment),
        )
        self._note(order, tried, settlement.payment)
        if settlement.outcome is Outcome.ATTENTION:
            self._book.note_attention(order.id, settlement.why)
        return settlement

    def _banq(self) -> AsyncBanqClient:
        if self.banq is None:
            raise LookupError("the shop has no widget to be paid by")
        return self.banq

    async def _payment(self, order: Order, tried: Try) -> Payment:
        if isinstance(tried.payment_id, int):
            return await self.client.payment(tried.payment_id)
        wanted = self._wanted(order, Execution(tried.execution))
        payment = await self.client.create_payment(wanted, idempotency_key=idempotency_key(order, tried))
        self._note(order, tried, payment)
        return payment

    async def _give_up_other(self, order: Order, execution: str) -> None:
        """Let go of a payment begun in another way: two that can both be paid would be one too many."""
        tried = order.last_try
        if tried and not tried.over and tried.execution != execution:
            await self.cancel(order)

    def _wanted(self, order: Order, execution: Execution) -> NewPayment:
        instruction = NewInstruction(
            amount=amount(order.total_minor),
            currency=order.currency,
            label=label(order),
            execution_date_type=execution,
            beneficiary=BankAccount.iban(self._payee.iban, self._payee.legal_name),
            beneficiary_identity=Identity(
                kind="corporate",
                org_name=self._payee.legal_name,
                org_legal_status=self._payee.legal_status,
                scheme_name="siren",
                identification=self._payee.siren,
            ),
        )
        return NewPayment(client_redirect_uri=self.return_url, client_state=order.id, instructions=(instruction,))

    def _note(self, order: Order, tried: Try, payment: AnyPayment) -> None:
        state, why = told(payment)
        self._book.note_payment(order.id, tried.ordinal, payment.reference, state, why)

    def _paid(self, transaction: sqlite3.Connection, order: Order, payment: AnyPayment) -> None:
        mark_paid(transaction, order.id, payment.reference, self._now())

    def _failed(self, transaction: sqlite3.Connection, order: Order, payment: AnyPayment) -> None:
        state, why = told(payment)
        insert_event(transaction, order.id, "failed", why or state, self._now())


def told(payment: AnyPayment) -> tuple[str, str | None]:
    """Return what a wire says of a payment in its own words: how it stands, and why it failed."""
    match payment:
        case Payment():
            return payment.state.value, payment.error_code
        case banq_wire.Payment() if payment.status:
            return payment.status.value, payment.fail_reason
    return payment.standing.value, None


def label(order: Order) -> str:
    """Return what the payer reads beside the amount, at their bank too."""
    return f"Brise et Fils {order.number}"


def amount(minor: int) -> Decimal:
    """Return minor units as the decimal that the wire speaks."""
    return Decimal(minor).scaleb(-MINOR_DIGITS)


def idempotency_key(order: Order, tried: Try) -> str:
    """Return the order's id, and for a later try its ordinal too."""
    return order.id if tried.ordinal == 1 else f"{order.id}-{tried.ordinal}"


async def enrol(client: AsyncPowensClient, book: Book, webhook_url: str, return_url: str, name: str) -> Sequence[str]:
    """Make sure that payers may return here and that webhooks come here signed; return the valid secrets."""
    await _allow_return(client, return_url)
    service = client.credentials.base_url
    ours = [webhook for webhook in await client.webhooks() if webhook.url == webhook_url]
    known = book.secrets(service)
    if ours and known and all(str(one.id_auth) in map(str, known) for one in ours):
        return tuple(known.values())
    for stale in ours:
        await client.delete_webhook(stale.id)
    secret = await client.create_signing_secret(name)
    book.keep_secret(service, secret.id, secret.secret)
    await client.create_webhook(webhook_url, secret.id)
    return tuple(book.secrets(service).values())


async def enrol_banq(client: AsyncBanqClient, book: Book, webhook_url: str) -> Sequence[str]:
    """Make sure that webhooks of the other wire come here signed; return the valid secrets."""
    service = client.credentials.base_url
    known = book.secrets(service)
    config = await _webhook_config(client)
    if config and config.url == webhook_url and config.enabled and known:
        return tuple(known.values())
    if config:
        # The secret is told only when a configuration is made, so one that is not known is made anew.
        await client.delete_webhook_config()
    created = await client.create_webhook_config(webhook_url)
    if created.secret:
        book.keep_secret(service, max(known, default=0) + 1, created.secret)
    return tuple(book.secrets(service).values())


async def _webhook_config(client: AsyncBanqClient) -> banq_wire.WebhookConfig | None:
    try:
        return await client.webhook_config()
    except Declined as declined:
        if declined.status != 404:
            raise
        return None


async def _allow_return(client: AsyncPowensClient, return_url: str) -> None:
    if return_url in client.credentials.redirect_uris:
        return
    allowed = (await client.client_application()).allowed
    if return_url not in allowed:
        await client.allow_redirects((*allowed, return_url))


async def sweep(till: Till, book: Book) -> int:
    """Look at the orders that have waited for a while; a refusal of one does not stop the others."""
    orders = book.due_for_a_look()
    for order in orders:
        try:
            await till.look(order)
        except Declined as refusal:
            book.note_event(order.id, "unanswered", refusal.code)
    return len(orders)
