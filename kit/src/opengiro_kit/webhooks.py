"""Reading a webhook of the powens wire: the signature first, over the raw bytes, then the body.

Deliveries carry `BI-Signature` and, from OpenGiro, the headers of Standard Webhooks as well. What a webhook says is a
hint: `settle` reads the payment itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from opengiro_kit.powens.objects import Payment, decoder
from opengiro_kit.signatures import Doubt, WebhookRefused, unpacked, verify


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """A payment changed state. `sequence` counts the events of one payment, where the sender counts them."""

    payment: Payment
    id_webhook_data: int | None
    sequence: int | None
    webhook_id: str | None


class _Extras(msgspec.Struct, frozen=True):
    id_webhook_data: int | None = None
    sequence: int | None = None


def read_event(
    headers: Mapping[str, str],
    body: bytes,
    *,
    path: str,
    secrets: Sequence[str],
    method: str = "POST",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> PaymentEvent:
    """Verify a delivery and return the event it carries.

    Args:
        headers: the delivery's headers; case does not matter.
        body: the body exactly as received.
        path: the path of the registered webhook URL, as the sender sees it, without its query.
        secrets: every secret that is valid now; give the old and the new one while rotating.

    Raises:
        WebhookRefused: the delivery must not be believed.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    plain = unpacked(lowered, body)
    verify(lowered, plain, method, path, secrets, now())
    return _event(lowered, plain)


def _event(headers: Mapping[str, str], body: bytes) -> PaymentEvent:
    try:
        payment: Payment = _read_payment(body)
        extras = msgspec.json.decode(body, type=_Extras)
    except msgspec.DecodeError as trouble:
        raise WebhookRefused(Doubt.UNREADABLE) from trouble
    return PaymentEvent(payment, extras.id_webhook_data, extras.sequence, headers.get("webhook-id"))


_read_payment = decoder(Payment)
