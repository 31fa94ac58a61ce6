"""Reading a webhook of the banq wire, which is a reason to look and nothing more.

The original signs nothing, so without a secret a delivery is taken as an unproven hint. With a secret, which OpenGiro
tells when a configuration is created, a delivery must be signed by it. Either way the payment is read from the API
before anything is done, and nothing but its id is taken from here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from opengiro_kit.signatures import Doubt, WebhookRefused, unpacked, verify
from opengiro_kit.words import OpenWord

_RESOURCE = re.compile(r"[A-Za-z0-9-]{1,64}")


class Resource(OpenWord):
    """What an event is about."""

    PAYMENT = "payment"
    TRANSACTION = "transaction"


class BanqEvent(msgspec.Struct, frozen=True, rename="camel"):
    """Something changed status; `sequence` counts the events of one resource, where the sender counts them."""

    action: str
    resource_type: str
    resource_id: str
    id: str | None = None
    sequence: int | None = None
    created_at: str | None = None
    external_order_code: str | None = None

    @property
    def resource(self) -> Resource:
        """What the event is about, whichever case it was spelt in."""
        return Resource(self.resource_type.lower())


def read_event(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> BanqEvent:
    """Read a delivery, verified where there is a secret to verify it by.

    Args:
        headers: the delivery's headers; case does not matter, and the content type is not looked at.
        body: the body exactly as received.
        secrets: every secret that is valid now, or none for a service that does not sign.

    Raises:
        WebhookRefused: the delivery must not be acted upon.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    plain = unpacked(lowered, body)
    if secrets:
        _verify(lowered, plain, secrets, now())
    try:
        event = msgspec.json.decode(plain, type=BanqEvent)
    except msgspec.DecodeError as trouble:
        raise WebhookRefused(Doubt.UNREADABLE) from trouble
    if not _RESOURCE.fullmatch(event.resource_id):
        raise WebhookRefused(Doubt.UNREADABLE)
    return event


def _verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> None:
    # Only one kind of signature exists on this wire, and no other may stand in for it.
    standard = {name: value for name, value in headers.items() if name.startswith("webhook-")}
    verify(standard, body, "POST", "", secrets, now)
