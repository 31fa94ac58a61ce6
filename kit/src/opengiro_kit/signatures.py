"""Why a webhook is believed: signatures over the raw bytes, and a date close to now.

Every kind of signature that is present must be right and at least one must be present. A delivery from more than five
minutes ago, or from more than five minutes ahead, is refused, and this cannot be switched off.
"""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

TOLERANCE = timedelta(seconds=300)
BODY_MAX_BYTES = 1_048_576
SECRET_PREFIX = "whsec_"


class Doubt(StrEnum):
    """Why a webhook is not believed."""

    UNSIGNED = "it carries no signature"
    INCOMPLETE = "it lacks a header that its signature covers"
    WRONG_SIGNATURE = "no known secret made its signature"
    TOO_OLD = "it was signed more than five minutes ago"
    FROM_THE_FUTURE = "it was signed more than five minutes ahead of our clock"
    TOO_LARGE = "its body is larger than a payment can be"
    UNREADABLE = "its body is not a payment"


class WebhookRefused(Exception):
    """A delivery that must not be acted upon; answer 400."""

    def __init__(self, why: Doubt) -> None:
        super().__init__(f"webhook refused: {why}")
        self.why = why


def bi_signature(secret: str, method: str, path: str, date: str, body: bytes) -> str:
    """Return the BI-Signature of a delivery."""
    message = f"{method}.{path}.{date}.".encode() + body
    return _base64_hmac(secret.encode(), message)


def standard_signature(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """Return the Standard Webhooks signature of a delivery, with its version."""
    message = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + _base64_hmac(_standard_key(secret), message)


def whole(parts: Iterable[bytes], max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """Return a body that comes as a stream.

    Raises:
        WebhookRefused: it is larger than a delivery can be.
    """
    body = bytearray()
    for part in parts:
        _grow(body, part, max_bytes)
    return bytes(body)


async def whole_async(parts: AsyncIterable[bytes], max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """Do the same with an asynchronous stream."""
    body = bytearray()
    async for part in parts:
        _grow(body, part, max_bytes)
    return bytes(body)


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes that were signed; `headers` have names in lower case."""
    plain = _inflated(body) if headers.get("content-encoding") == "gzip" else body
    if len(plain) > BODY_MAX_BYTES:
        raise WebhookRefused(Doubt.TOO_LARGE)
    return plain


def verify(
    headers: Mapping[str, str], body: bytes, method: str, path: str, secrets: Sequence[str], now: datetime
) -> None:
    """Check every signature that is there; `headers` have names in lower case.

    Raises:
        WebhookRefused: the delivery must not be believed.
    """
    checks = []
    if "bi-signature" in headers:
        checks.append(_bi_check(headers, body, method, path))
    if "webhook-signature" in headers:
        checks.append(_standard_check(headers, body))
    if not checks:
        raise WebhookRefused(Doubt.UNSIGNED)
    for check in checks:
        _judge(check, secrets, now)


@dataclass(frozen=True, slots=True)
class _Check:
    signed_at: datetime
    given: tuple[str, ...]
    sign: Callable[[str], str]


def _bi_check(headers: Mapping[str, str], body: bytes, method: str, path: str) -> _Check:
    date = _needed(headers, "bi-signature-date")
    return _Check(
        _instant(date),
        (headers["bi-signature"],),
        lambda secret: bi_signature(secret, method, path, date, body),
    )


def _standard_check(headers: Mapping[str, str], body: bytes) -> _Check:
    webhook_id, timestamp = _needed(headers, "webhook-id"), _needed(headers, "webhook-timestamp")
    if not (timestamp.isascii() and timestamp.isdecimal()) or len(timestamp) > 12:
        raise WebhookRefused(Doubt.INCOMPLETE)
    return _Check(
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(timestamp)),
        tuple(headers["webhook-signature"].split()),
        lambda secret: standard_signature(secret, webhook_id, timestamp, body),
    )


def _judge(check: _Check, secrets: Sequence[str], now: datetime) -> None:
    # Every comparison is made, so the time taken does not tell which secret came close.
    matches = [_same(given, check.sign(secret)) for secret in secrets for given in check.given]
    if not any(matches):
        raise WebhookRefused(Doubt.WRONG_SIGNATURE)
    if now - check.signed_at > TOLERANCE:
        raise WebhookRefused(Doubt.TOO_OLD)
    if check.signed_at - now > TOLERANCE:
        raise WebhookRefused(Doubt.FROM_THE_FUTURE)


def _needed(headers: Mapping[str, str], name: str) -> str:
    if name not in headers:
        raise WebhookRefused(Doubt.INCOMPLETE)
    return headers[name]


def _instant(date: str) -> datetime:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError as trouble:
        raise WebhookRefused(Doubt.INCOMPLETE) from trouble
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _base64_hmac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as trouble:
        raise ValueError("a secret that starts with whsec_ goes on in base64") from trouble


def _inflated(body: bytes) -> bytes:
    try:
        # One byte over the limit is enough to know that it is too large.
        return zlib.decompressobj(wbits=31).decompress(body, BODY_MAX_BYTES + 1)
    except zlib.error as trouble:
        raise WebhookRefused(Doubt.UNREADABLE) from trouble


def _grow(body: bytearray, part: bytes, max_bytes: int) -> None:
    body += part
    if len(body) > max_bytes:
        raise WebhookRefused(Doubt.TOO_LARGE)
