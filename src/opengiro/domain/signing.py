"""Signatures on webhook deliveries: `BI-Signature` as the powens wire has it, and Standard Webhooks 1.0.

Both are sent, so receivers written for either verify without change. Every attempt is signed anew with its
own date; the message id and the body stay the same over all retries. While a secret is being rotated two are
valid: Standard Webhooks has room for a signature by each, `BI-Signature` has one and alternates per attempt,
so a receiver that knows either secret accepts at the latest the next try.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

_PREFIX = "whsec_"


def new_secret(randomness: bytes) -> str:
    """Spell random bytes as a signing secret that both schemes take."""
    return _PREFIX + base64.b64encode(randomness).decode()


def powens_date(instant: datetime) -> str:
    """Write an instant the way `BI-Signature-Date` does: UTC, always six decimals, `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def powens_signature(secret: str, method: str, path: str, date: str, body: bytes) -> str:
    """Return the `BI-Signature` of a request; the path comes without its query, the body uncompressed."""
    message = f"{method.upper()}.{path}.{date}.".encode() + body
    return _mac(secret.encode(), message)


def standard_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one `v1` entry of the `webhook-signature` header."""
    message = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + _mac(_standard_key(secret), message)


def signed_headers(
    secrets: Sequence[str],
    *,
    method: str,
    path: str,
    message_id: str,
    body: bytes,
    now: datetime,
    attempt: int,
    standard_only: bool = False,
) -> dict[str, str]:
    """Return the headers that prove one attempt (counted from 1); without a secret it is only identified.

    `secrets` holds the newest first, and the one it replaces as long as both are valid. `standard_only` leaves
    out what only receivers of the powens wire know.
    """
    timestamp = int(now.timestamp())
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    if not secrets:
        return headers
    entries = [standard_signature(secret, message_id, timestamp, body) for secret in secrets]
    headers["webhook-signature"] = " ".join(entries)
    if standard_only:
        return headers
    date = powens_date(now)
    alternating = secrets[-attempt % len(secrets)]  # the older one first: receivers know it already
    return headers | {
        "BI-Signature-Date": date,
        "BI-Signature": powens_signature(alternating, method, path, date, body),
    }


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


def _standard_key(secret: str) -> bytes:
    # The standard writes keys in base64 behind a prefix. A secret brought from elsewhere is used as it is.
    if not secret.startswith(_PREFIX):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
