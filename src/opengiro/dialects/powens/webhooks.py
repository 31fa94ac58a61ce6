"""Webhooks of the powens wire: where a merchant hears of state changes, what was sent there, and sending it again."""

from __future__ import annotations

from msgspec import Struct

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_body, read_count, read_number
from opengiro.dialects.powens.sample import sample_event
from opengiro.dialects.powens.write import answer, write_datetime
from opengiro.domain.complaints import Complaints
from opengiro.domain.deliveries import Delivery, DeliveryTry, Stage, Webhook
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.usecases.register_webhook import (
    RegisterWebhook,
    change_webhook,
    delete_webhook,
    find_webhook,
    register_webhook,
)
from opengiro.usecases.replay_delivery import replay_delivery, send_test

ACTOR = "configuration token"
DIALECT = "powens"
EVENT = "PAYMENT_STATE_UPDATED"
EVENT_ID = 1
EVENTS = frozenset({EVENT, "PAYMENT_STATE_UPDATE"})
"""The event and its accepted misspelling (PC17)."""
LOGS_MAX = 1000

PAGE = {"limit": "how many, newest first, at most 1000", "offset": "how many to skip"}


class WebhookIn(Struct):
    """Body of a webhook that is made or changed."""

    url: str | None = None
    event: str | None = None
    id_auth: int | str | None = None  # a number or a name


class HealthOut(Struct):
    """How deliveries have been going."""

    failures: int
    timeouts: int
    paused_until: str | None
    disabled: str | None


class WebhookOut(Struct):
    """Webhook. `deleted` is always null: what was deleted is not listed."""

    id: int
    event: str
    id_event: int
    url: str
    id_auth: int | None
    id_user: None
    id_service: None
    created: str
    updated: str
    deleted: None
    add_to_data: list[str]
    health_data: HealthOut
    warning: str | None


class WebhooksOut(Struct):
    """A merchant's webhooks."""

    webhooks: list[WebhookOut]
    total: int


class EventKindOut(Struct):
    """An event that a webhook can be registered for."""

    id: int
    name: str
    description: str


class EventKindsOut(Struct):
    """All events there are."""

    webhooks_events: list[EventKindOut]


class LogOut(Struct):
    """One attempt of one delivery: what was sent and what came back; secrets are masked."""

    id_webhook: int
    id_webhook_data: int | None
    id_payment: int | None
    attempt: int
    date: str
    state: str
    request_headers: dict[str, str]
    request_body: str
    response_status: int | None
    response_headers: dict[str, str]
    response_body: str
    failure: str | None
    duration_ms: int
    next_try: str | None


class LogsOut(Struct):
    """Attempts, newest first."""

    logs: list[LogOut]


class TestIn(Struct):
    """Body of `POST /test/webhooks`; without an id every webhook gets one."""

    id_webhook: int | None = None


class DeliveryOut(Struct):
    """A delivery that is on its way."""

    id_webhook: int
    id_webhook_data: int | None
    state: str


class DeliveriesOut(Struct):
    """Deliveries that are on their way."""

    deliveries: list[DeliveryOut]


async def list_webhooks(call: Call) -> Answer:
    """List the merchant's webhooks."""
    zone = await _zone(call)
    known = await call.core.store.webhooks.all(call.caller.merchant_id)
    mine = [_write(one, zone) for one in known if one.dialect == DIALECT]
    return answer(WebhooksOut(mine, len(mine)))


async def create_webhook(call: Call) -> Answer:
    """Register a URL for an event; one that is registered already is returned (PU33: 200)."""
    body = read_body(call, WebhookIn)
    wrong = Complaints()
    wrong.need(body.url, "url")
    if wrong.need(body.event, "event") not in {None, *EVENTS}:
        wrong.add("event", f"is {EVENT}")
    auth_id = await _auth_id(call, body.id_auth, wrong)
    wrong.raise_any()
    command = RegisterWebhook(
        merchant_id=call.caller.merchant_id, dialect=DIALECT, url=body.url or "", actor=ACTOR, auth_id=auth_id
    )
    return answer(_write(await register_webhook(call.core, command), await _zone(call)))


async def read_webhook(call: Call) -> Answer:
    """Read one webhook."""
    return answer(_write(await _own(call), await _zone(call)))


async def change(call: Call) -> Answer:
    """Point a webhook elsewhere or sign otherwise; it is enabled again and forgiven its failures."""
    webhook = await _own(call)
    body = read_body(call, WebhookIn)
    wrong = Complaints()
    if body.event is not None and body.event not in EVENTS:
        wrong.add("event", f"is {EVENT}")
    auth_id = await _auth_id(call, body.id_auth, wrong)
    wrong.raise_any()
    changed = await change_webhook(call.core, webhook.merchant_id, webhook.webhook_id, body.url, auth_id, ACTOR)
    return answer(_write(changed, await _zone(call)))


async def delete(call: Call) -> Answer:
    """End a webhook; what waited for it is never sent."""
    webhook = await _own(call)
    await delete_webhook(call.core, webhook.merchant_id, webhook.webhook_id, ACTOR)
    return Answer(204, b"")


async def delete_all(call: Call) -> Answer:
    """End every webhook."""
    for webhook in await call.core.store.webhooks.all(call.caller.merchant_id):
        if webhook.dialect == DIALECT:
            await delete_webhook(call.core, webhook.merchant_id, webhook.webhook_id, ACTOR)
    return Answer(204, b"")


async def list_events(_call: Call) -> Answer:
    """List the events that webhooks can be registered for."""
    described = EventKindOut(EVENT_ID, EVENT, "A payment changed its state; the body is the payment.")
    return answer(EventKindsOut([described]))


async def list_logs(call: Call) -> Answer:
    """List every attempt at a webhook, newest first."""
    webhook = await _own(call)
    wrong = Complaints()
    limit, offset = read_count(call, "limit", 100, wrong), read_count(call, "offset", 0, wrong)
    wrong.raise_any()
    page = min(limit, LOGS_MAX)
    log = await call.core.store.deliveries.log(webhook.merchant_id, webhook.webhook_id, page, offset)
    zone = await _zone(call)
    return answer(LogsOut([_log(delivery, tried, zone) for delivery, tried in log]))


async def replay(call: Call) -> Answer:
    """Send an earlier delivery again, the same bytes under the same id."""
    webhook = await _own(call)
    data_id = read_number(call, "data_id")
    return answer(_on_its_way(await replay_delivery(call.core, webhook.merchant_id, webhook.webhook_id, data_id)))


async def test(call: Call) -> Answer:
    """Send a made-up payment to one webhook or to all, signed and logged like any other delivery."""
    body = read_body(call, TestIn)
    merchant = await call.core.merchant(call.caller.merchant_id)
    if body.id_webhook is not None:
        targets = [await _find(call, body.id_webhook)]
    else:
        known = await call.core.store.webhooks.all(merchant.merchant_id)
        targets = [one for one in known if one.dialect == DIALECT and one.disabled_at is None]
    if not targets:
        raise Refused(Refusal.NOT_FOUND)
    now = call.core.now(merchant.merchant_id)
    sent = [
        await send_test(
            call.core, merchant.merchant_id, one.webhook_id, lambda data_id: sample_event(merchant, now, data_id)
        )
        for one in targets
    ]
    return answer(DeliveriesOut([_on_its_way(one) for one in sent]))


async def _own(call: Call) -> Webhook:
    return await _find(call, read_number(call, "webhook_id"))


async def _find(call: Call, webhook_id: int) -> Webhook:
    """Return a webhook of this wire; what hears another dialect does not exist here."""
    webhook = await find_webhook(call.core, call.caller.merchant_id, webhook_id)
    if webhook.dialect != DIALECT:
        raise Refused(Refusal.NOT_FOUND)
    return webhook


async def _auth_id(call: Call, given: int | str | None, wrong: Complaints) -> int | None:
    """Return the provider's number; the wire also takes its name."""
    if given is None or isinstance(given, int):
        return given
    known = await call.core.store.webhooks.auths(call.caller.merchant_id)
    for one in known:
        if given in (one.name, str(one.auth_id)):
            return one.auth_id
    wrong.found.append(Complaint("id_auth", "no such authentication provider"))
    return None


async def _zone(call: Call) -> str:
    return (await call.core.merchant(call.caller.merchant_id)).zone


def _write(one: Webhook, zone: str) -> WebhookOut:
    health = HealthOut(
        failures=one.streak.failures,
        timeouts=one.streak.timeouts,
        paused_until=write_datetime(one.paused_until, zone) if one.paused_until else None,
        disabled=write_datetime(one.disabled_at, zone) if one.disabled_at else None,
    )
    return WebhookOut(
        id=one.webhook_id,
        event=EVENT,
        id_event=EVENT_ID,
        url=one.url,
        id_auth=one.auth_id,
        id_user=None,
        id_service=None,
        created=write_datetime(one.created_at, zone),
        updated=write_datetime(one.updated_at, zone),
        deleted=None,
        add_to_data=[],
        health_data=health,
        warning=_warning(one),
    )


def _warning(one: Webhook) -> str | None:
    if one.disabled_at is not None:
        return "The receiver answered 410: change the webhook to send there again."
    if one.auth_id is None:
        return "Deliveries are not signed: attach an authentication provider."
    return None


def _log(delivery: Delivery, tried: DeliveryTry, zone: str) -> LogOut:
    outcome = tried.outcome
    waiting = delivery.stage is Stage.WAITING and delivery.attempts == tried.attempt
    return LogOut(
        id_webhook=delivery.webhook_id,
        id_webhook_data=delivery.data_id,
        id_payment=None if delivery.is_test else delivery.payment_id,
        attempt=tried.attempt,
        date=write_datetime(tried.at, zone),
        state=delivery.stage,
        request_headers=dict(tried.request_headers),
        request_body=(delivery.body or b"").decode(errors="replace"),
        response_status=outcome.status,
        response_headers=dict(outcome.headers),
        response_body=outcome.body.decode(errors="replace"),
        failure=outcome.failure,
        duration_ms=outcome.duration_ms,
        next_try=write_datetime(delivery.due_at, zone) if waiting else None,
    )


def _on_its_way(delivery: Delivery) -> DeliveryOut:
    return DeliveryOut(delivery.webhook_id, delivery.data_id, delivery.stage)
