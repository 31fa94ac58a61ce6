"""What of a webhook of the banq wire is taken, and what is not."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from opengiro_kit import Doubt, WebhookRefused
from opengiro_kit.banq import BanqEvent, Resource, read_event
from opengiro_kit.signatures import bi_signature, standard_signature, whole, whole_async

SECRET = "whsec_" + base64.b64encode(b"a secret of the shop").decode()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GUID = "7a9b3c4d-0000-4000-8000-000000000001"
BODY = b'{"action":"completed","resourceType":"Payment","resourceId":"%s"}' % GUID.encode()


def signed(body: bytes = BODY, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signature = standard_signature(secret, "msg_1", timestamp, body)
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": timestamp, "Webhook-Signature": signature}


def hear(headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> BanqEvent:
    return read_event(headers, body, secrets=secrets, now=lambda: NOW)


def doubt(headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> Doubt:
    with pytest.raises(WebhookRefused) as refusal:
        hear(headers, body, secrets)
    return refusal.value.why


def test_the_documented_event_needs_no_signature_where_there_is_no_secret() -> None:
    event = hear({}, secrets=())
    assert (event.action, event.resource, event.resource_id) == ("completed", Resource.PAYMENT, GUID)


def test_with_a_secret_only_a_signed_event_is_taken() -> None:
    assert hear(signed()).resource_id == GUID
    assert doubt({}) is Doubt.UNSIGNED
    assert doubt(signed(secret="whsec_c2VjcmV0")) is Doubt.WRONG_SIGNATURE
    assert doubt(signed(), BODY + b" ") is Doubt.WRONG_SIGNATURE
    assert doubt(signed(at=NOW - timedelta(seconds=301))) is Doubt.TOO_OLD
    assert doubt(signed(at=NOW + timedelta(seconds=301))) is Doubt.FROM_THE_FUTURE


def test_the_signature_of_another_wire_does_not_stand_in() -> None:
    date = "2026-03-01T12:00:00Z"
    headers = {"BI-Signature": bi_signature(SECRET, "POST", "", date, BODY), "BI-Signature-Date": date}
    assert doubt(headers) is Doubt.UNSIGNED


def test_both_secrets_are_valid_while_they_rotate() -> None:
    assert hear(signed(), secrets=("whsec_c2VjcmV0", SECRET)).resource_id == GUID


def test_the_additions_of_the_reference_are_told_and_novelties_ignored() -> None:
    body = (
        b'{"action":"expired","resourceType":"TRANSACTION","resourceId":"42","id":"evt_9","sequence":3,'
        b'"createdAt":"2026-03-01T12:00:00Z","externalOrderCode":"order-77","novel":[1]}'
    )
    event = hear(signed(body), body)
    assert (event.id, event.sequence, event.external_order_code) == ("evt_9", 3, "order-77")
    assert event.resource is Resource.TRANSACTION


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"action":"completed","resourceType":"Payment","resourceId":7}',
        b'{"action":"completed","resourceType":"Payment","resourceId":""}',
        b'{"action":"completed","resourceType":"Payment","resourceId":"../users/me"}',
        b'{"action":"completed","resourceType":"Payment","resourceId":"%s"}' % (b"9" * 65),
        b"\xff",
    ],
)
def test_what_names_no_resource_is_refused(body: bytes) -> None:
    assert doubt({}, body, ()) is Doubt.UNREADABLE


def test_a_resource_of_a_kind_nobody_knows_yet_is_kept_as_it_came() -> None:
    event = hear({}, b'{"action":"linked","resourceType":"Nft","resourceId":"1"}', ())
    assert event.resource == "nft"
    assert not event.resource.known


def test_a_body_that_comes_as_a_stream_is_gathered_to_its_limit() -> None:
    parts = [BODY[:7], BODY[7:]]

    async def stream() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    assert whole(parts) == BODY
    assert asyncio.run(whole_async(stream())) == BODY
    with pytest.raises(WebhookRefused, match="larger"):
        whole(parts, len(BODY) - 1)
    with pytest.raises(WebhookRefused, match="larger"):
        asyncio.run(whole_async(stream(), len(BODY) - 1))
