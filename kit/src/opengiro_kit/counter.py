"""What a shop's web endpoints do, for any framework: hand out links, hear webhooks, welcome payers back, relay news.

The page is never believed. It names an order; what that order costs, which payment it has and whether it is paid come
from the shop's own book and from the service. Every endpoint is a recipe of `steps`, so that each framework only
carries bytes in and out.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

import msgspec

from opengiro_kit import banq as banq_wire
from opengiro_kit import powens as powens_wire
from opengiro_kit import webhooks
from opengiro_kit.banq import AsyncBanqClient, BanqClient, Resource
from opengiro_kit.exchange import Unreachable
from opengiro_kit.ledger import Ledger
from opengiro_kit.live import LiveToken
from opengiro_kit.powens import AsyncPowensClient, PowensClient
from opengiro_kit.settle import Order, Outcome, Settlement, conclude
from opengiro_kit.signatures import WebhookRefused
from opengiro_kit.steps import Recipe, Remote, locally
from opengiro_kit.words import AnyPayment, Declined, Standing

Transaction = TypeVar("Transaction")
Visitor = TypeVar("Visitor")

#: How often an order's failed payment is followed by another; more is a program gone wrong.
TRIES_MAX = 20


def _no_secrets() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Generic[Transaction]):
    """What a shop brings to its endpoints; its functions block, and run in a thread where the framework does not.

    Args:
        find_order: the shop's order of this id, with what it costs and the payment it has.
        on_paid: the shop's effect, once for each order paid and once for each occurrence of a recurring payment.
        on_failed: the same, once for each payment that can no longer succeed.
        note_payment: keeps which payment an order has, before its link is given out. Without it orders are found by
            the code that their payments were created with.
        banq: the client of this wire, where the shop uses it; asynchronous for an asynchronous framework.
        banq_secrets: every webhook secret that is valid now; none for a service that does not sign.
        order_page: the address of an order's page.
        accepted_is_paid: take `accepted`, where the bank will send no further news, as paid.
    """

    find_order: Callable[[str], Order | None]
    ledger: Ledger[Transaction]
    on_paid: Callable[[Transaction, Order, AnyPayment], None]
    on_failed: Callable[[Transaction, Order, AnyPayment], None] | None = None
    note_payment: Callable[[Order, AnyPayment], None] | None = None
    banq: BanqClient | AsyncBanqClient | None = None
    powens: PowensClient | AsyncPowensClient | None = None
    banq_secrets: Callable[[], Sequence[str]] = _no_secrets
    powens_secrets: Callable[[], Sequence[str]] = _no_secrets
    order_page: Callable[[str], str] = lambda order_id: f"/orders/{order_id}"
    accepted_is_paid: bool = False


def as_seen(
    counter: Counter[Transaction], visitor: Visitor, may_see: Callable[[Visitor, str], bool] | None
) -> Counter[Transaction]:
    """Return the counter as this visitor sees it: orders that are not theirs are not there."""
    if may_see is None:
        return counter
    allowed = may_see
    return replace(
        counter, find_order=lambda order_id: counter.find_order(order_id) if allowed(visitor, order_id) else None
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class LinkRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What a page asks with; its comment is not used, and its funds only to see that page and shop agree."""

    order_id: str | int
    comment: str | None = None
    funds: Decimal | None = None


def generate_link(counter: Counter[Transaction], content_type: str, body: bytes) -> Recipe[Reply]:
    """Answer a page that wants to pay an order: `{"data": {"url": link}}`, the same link while it can be paid."""
    order = yield from asked_order(counter.find_order, content_type, body)
    if isinstance(order, Reply):
        return order
    try:
        url = yield from link_of(counter, order)
    except Declined:
        return _refusal(502, "declined")
    except Unreachable:
        return _refusal(503, "unreachable")
    return _refusal(409, "already_paid") if url is None else link_reply(url)


def asked_order(find_order: Callable[[str], Order | None], content_type: str, body: bytes) -> Recipe[Order | Reply]:
    """Return the shop's own order that a page wants to pay, or what to answer instead.

    A page that shows another amount than the shop charges is refused, so nobody pays what they did not see.
    """
    # Another site's form cannot send JSON, so it cannot make a visitor ask.
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return _refusal(415, "not_json")
    try:
        asked = msgspec.json.decode(body, type=LinkRequest, strict=False)
    except msgspec.DecodeError:
        return _refusal(400, "invalid_request")
    order = yield from locally(lambda: find_order(str(asked.order_id)))
    if order is None:
        return _refusal(404, "unknown_order")
    if asked.funds is not None and asked.funds != order.amount:
        return _refusal(409, "funds_differ")
    return order


def link_reply(url: str) -> Reply:
    """Return the answer that the guides' page reads: it takes `data.url`."""
    return _json(200, {"data": {"url": url}})


def link_of(counter: Counter[Transaction], order: Order) -> Recipe[str | None]:
    """Return the link under which an order can be paid, or None when nothing is left to pay.

    The first link's idempotency key says order and amount, so calling twice gives the same payment. A payment that
    failed is followed by another under the next key.
    """
    known: AnyPayment | None = (yield from _read(counter, order.payment_id)) if order.payment_id else None
    if known is not None and known.standing not in {Standing.WAITING, Standing.FAILED}:
        return None
    if isinstance(known, banq_wire.Payment) and known.standing is Standing.WAITING and known.url:
        return known.url
    for number in range(1, TRIES_MAX + 1):
        link = yield from _new_link(counter, order, number)
        if link.payment is None:
            return link.url
        # The answer may be a repetition of what was said long ago, so how the payment stands is asked.
        payment = yield from _read_banq(counter, link.payment.guid)
        if payment.standing is Standing.FAILED:
            continue
        if payment.standing is not Standing.WAITING:
            return None
        yield from _note(counter, order, payment)
        return link.url
    raise Declined("tooManyTries", f"order {order.id} failed {TRIES_MAX} times", 409)


def hear_banq(counter: Counter[Transaction], headers: Mapping[str, str], body: bytes) -> Recipe[Reply]:
    """Hear that something changed on the banq wire: read it, and settle the order it is for."""
    try:
        event = banq_wire.read_event(headers, body, secrets=counter.banq_secrets())
    except WebhookRefused as refused:
        return Reply(400, str(refused).encode(), "text/plain")
    reading = _READINGS.get(event.resource)
    return (yield from _heard(counter, reading(counter, event.resource_id))) if reading else Reply(204)


def hear_powens(counter: Counter[Transaction], headers: Mapping[str, str], body: bytes, path: str) -> Recipe[Reply]:
    """Hear that a payment changed on the powens wire: read it, and settle the order it is for."""
    try:
        event = webhooks.read_event(headers, body, path=path, secrets=counter.powens_secrets())
    except WebhookRefused as refused:
        return Reply(400, str(refused).encode(), "text/plain")
    return (yield from _heard(counter, _read_powens(counter, event.payment.id)))


def come_back(counter: Counter[Transaction], order_id: str) -> Recipe[Reply]:
    """Welcome a payer back from the bank: look once, then show the order. What the address says is only a hint."""
    order = yield from locally(lambda: counter.find_order(order_id))
    if order is None:
        return _refusal(404, "unknown_order")
    # Whatever is in the way, the order's page tells how it stands as soon as anybody can say.
    with suppress(Declined, Unreachable):
        yield from look(counter, order)
    return Reply(303, headers={"location": counter.order_page(order.id)})


def tell_standing(counter: Counter[Transaction], order_id: str) -> Recipe[Reply]:
    """Tell a page how its order stands, settling it on the way: `{"standing": outcome}`, null if nobody can say."""
    order = yield from locally(lambda: counter.find_order(order_id))
    if order is None:
        return _refusal(404, "unknown_order")
    try:
        settlement = yield from look(counter, order)
    except (Declined, Unreachable):
        return _json(503, {"standing": None})
    return _json(200, {"standing": settlement.outcome if settlement else Outcome.WAITING})


def give_live_token(counter: Counter[Transaction], order_id: str) -> Recipe[Reply]:
    """Give a page what it follows its order's payment with: `{"url", "token", "expires_in"}`.

    404 says that there is nothing to follow, or no way to: the page then asks how the order stands.
    """
    order = yield from locally(lambda: counter.find_order(order_id))
    if order is None or order.payment_id is None:
        return _refusal(404, "nothing_to_follow")
    try:
        token = yield from _live_token(counter, order.payment_id)
    except Declined:
        return _refusal(404, "nothing_to_follow")
    except Unreachable:
        return _refusal(503, "unreachable")
    return _json(200, token)


def look(counter: Counter[Transaction], order: Order) -> Recipe[Settlement[AnyPayment] | None]:
    """Read an order's payment and settle the order once; None while it has no payment that we know."""
    if order.payment_id is None:
        return None
    payment = yield from _read(counter, order.payment_id)
    return (yield from _settle(counter, order, payment))


def _heard(counter: Counter[Transaction], reading: Recipe[AnyPayment]) -> Recipe[Reply]:
    try:
        payment = yield from reading
    except Declined as declined:
        # What the service does not know will not be known later either; anything else may pass.
        return Reply(204 if declined.status == 404 else 503)
    except Unreachable:
        return Reply(503)
    code = payment.order_code
    order = (yield from locally(lambda: counter.find_order(code))) if code else None
    if order is None:
        return Reply(204)
    settlement = yield from _settle(counter, order, payment)
    # Whoever settles it now may fail: the next delivery then finds it undone.
    contended = settlement is not None and settlement.outcome is Outcome.WAITING and settlement.why
    return Reply(503 if contended else 204)


def _settle(counter: Counter[Transaction], order: Order, payment: AnyPayment) -> Recipe[Settlement[AnyPayment] | None]:
    """Settle an order, or one occurrence of it; a recurring payment as a whole moves no money."""
    expected: Order = order
    if isinstance(payment, banq_wire.Transaction):
        if not _recurs(payment):
            return None  # the event of its payment follows
        expected = Order(f"{order.id}/{payment.guid}", payment.guid, order.amount, order.currency)
    elif isinstance(payment, banq_wire.Payment) and _recurs(payment):
        return None
    failed = counter.on_failed

    def act() -> Settlement[AnyPayment]:
        return conclude(
            expected,
            payment,
            counter.ledger,
            lambda transaction, paid: counter.on_paid(transaction, order, paid),
            (lambda transaction, lost: failed(transaction, order, lost)) if failed else None,
            accepted_is_paid=counter.accepted_is_paid,
        )

    return (yield from locally(act))


def _recurs(told: banq_wire.Payment | banq_wire.Transaction) -> bool:
    return told.recurrence is not None and told.recurrence.frequency is not banq_wire.Frequency.ONCE


def _note(counter: Counter[Transaction], order: Order, payment: AnyPayment) -> Recipe[None]:
    note = counter.note_payment
    if note and payment.reference != order.payment_id:
        yield from locally(lambda: note(order, payment))


def _new_link(counter: Counter[Transaction], order: Order, number: int) -> Recipe[banq_wire.PaidLink]:
    client = _banq_client(counter)
    # A service whose currency is configured was never told one, and may not know the field.
    wanted = banq_wire.NewPayment(
        funds=order.amount,
        comment=order.comment or f"Order {order.id}",
        external_order_code=order.id,
        currency=None if client.credentials.currency else order.currency,
    )
    key = idempotency_key(order, number)
    return cast("banq_wire.PaidLink", (yield Remote(lambda: client.get_paid_link(wanted, idempotency_key=key))))


def idempotency_key(order: Order, number: int) -> str:
    """Return the key of an order's first, second … payment; another amount or comment is another payment."""
    told = "\n".join((order.id, f"{order.amount:f}", order.currency, order.comment, str(number)))
    return hashlib.sha256(told.encode()).hexdigest()


def _read(counter: Counter[Transaction], reference: int | str) -> Recipe[AnyPayment]:
    """Read a payment of the wire that its reference is of: one counts payments, the other gives them guids."""
    if isinstance(reference, str):
        return (yield from _read_banq(counter, reference))
    return (yield from _read_powens(counter, reference))


def _read_banq(counter: Counter[Transaction], guid: Any) -> Recipe[banq_wire.Payment]:
    client = _banq_client(counter)
    return cast("banq_wire.Payment", (yield Remote(lambda: client.payment(guid))))


def _read_transaction(counter: Counter[Transaction], guid: str) -> Recipe[banq_wire.Transaction]:
    client = _banq_client(counter)
    return cast("banq_wire.Transaction", (yield Remote(lambda: client.transaction(guid))))


def _read_powens(counter: Counter[Transaction], payment_id: Any) -> Recipe[powens_wire.Payment]:
    client = _powens_client(counter)
    return cast("powens_wire.Payment", (yield Remote(lambda: client.payment(payment_id))))


_READINGS: Mapping[Resource, Callable[[Counter[Any], str], Recipe[AnyPayment]]] = {
    Resource.PAYMENT: _read_banq,
    Resource.TRANSACTION: _read_transaction,
}


def _live_token(counter: Counter[Transaction], reference: int | str) -> Recipe[LiveToken]:
    if isinstance(reference, str):
        by_guid = _banq_client(counter)
        return cast("LiveToken", (yield Remote(lambda: by_guid.live_token(reference))))
    by_id = _powens_client(counter)
    return cast("LiveToken", (yield Remote(lambda: by_id.live_token(reference))))


def _banq_client(counter: Counter[Any]) -> BanqClient | AsyncBanqClient:
    if counter.banq is None:
        raise LookupError("this counter has no banq client")
    return counter.banq


def _powens_client(counter: Counter[Any]) -> PowensClient | AsyncPowensClient:
    if counter.powens is None:
        raise LookupError("this counter has no powens client")
    return counter.powens


def _json(status: int, value: object) -> Reply:
    return Reply(status, msgspec.json.encode(value), headers={"cache-control": "no-store"})


def _refusal(status: int, code: str) -> Reply:
    return _json(status, {"error": code})
