"""Judges signatures of deliveries the way a shop does: every kind present must be right and fresh, and one present."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from opengiro.cli.arrivals import Verdict
from opengiro.domain.clock import EPOCH
from opengiro.domain.signing import powens_signature, standard_signature

TOLERANCE = timedelta(minutes=5)


def judge(headers: Mapping[str, str], body: bytes, path: str, secrets: Sequence[str], now: datetime) -> Verdict:
    """Return the verdict on a delivery; `headers` ignore case, `body` is uncompressed, `now` is real time."""
    if "bi-signature" not in headers and "webhook-signature" not in headers:
        return Verdict.UNSIGNED
    try:
        moments = [*_powens(headers, body, path, secrets), *_standard(headers, body, secrets)]
    except (ValueError, OverflowError):
        return Verdict.FORGED
    return Verdict.GENUINE if all(abs(now - moment) <= TOLERANCE for moment in moments) else Verdict.STALE


def _powens(headers: Mapping[str, str], body: bytes, path: str, secrets: Sequence[str]) -> list[datetime]:
    given = headers.get("bi-signature")
    if given is None:
        return []
    date = headers.get("bi-signature-date", "")
    _require(given, [powens_signature(secret, "POST", path, date, body) for secret in secrets])
    moment = datetime.fromisoformat(date)
    if moment.tzinfo is None:
        raise ValueError("the date names no zone")
    return [moment]


def _standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> list[datetime]:
    given = headers.get("webhook-signature")
    if given is None:
        return []
    message_id, timestamp = headers.get("webhook-id", ""), int(headers.get("webhook-timestamp", ""))
    expected = [standard_signature(secret, message_id, timestamp, body) for secret in secrets]
    _require(given, expected)
    return [EPOCH + timedelta(seconds=timestamp)]


def _require(given: str, expected: Sequence[str]) -> None:
    """Raise unless one of the given signatures is one of the expected."""
    found = [hmac.compare_digest(one.encode(), own.encode()) for one in given.split() for own in expected]
    if not any(found):
        raise ValueError("no known secret made this signature")
