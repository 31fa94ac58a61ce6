"""The inbox judges signatures as strictly as a shop has to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from opengiro.cli.arrivals import Verdict
from opengiro.cli.signature import judge
from opengiro.domain.signing import new_secret, powens_signature, signed_headers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET, OTHER = new_secret(bytes(32)), new_secret(bytes([1]) * 32)
BODY = b'{"id": 7, "state": "done"}'
PATH = "/inbox/hook"


def signed(secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    """The headers of a delivery as the server signs it."""
    headers = signed_headers([secret], method="POST", path=PATH, message_id="msg_1", body=BODY, now=at, attempt=1)
    return {name.lower(): value for name, value in headers.items()}


def only(prefix: str) -> dict[str, str]:
    """The headers of one of the two kinds."""
    return {name: value for name, value in signed().items() if name.startswith(prefix)}


def verdict(headers: Mapping[str, str], body: bytes = BODY, path: str = PATH) -> Verdict:
    return judge(headers, body, path, [OTHER, SECRET], NOW)


@pytest.mark.parametrize("headers", [signed(), only("bi-"), only("webhook-")])
def test_either_kind_of_signature_is_enough(headers: Mapping[str, str]) -> None:
    assert verdict(headers) is Verdict.GENUINE


@pytest.mark.parametrize("name", ["bi-signature", "webhook-signature"])
def test_a_wrong_signature_is_not_saved_by_a_right_one_of_the_other_kind(name: str) -> None:
    assert verdict(signed() | {name: signed(new_secret(bytes([2]) * 32))[name]}) is Verdict.FORGED


def test_one_changed_byte_is_seen() -> None:
    assert verdict(signed(), BODY.replace(b"7", b"8")) is Verdict.FORGED


def test_a_powens_signature_holds_for_one_path() -> None:
    assert verdict(only("bi-"), path="/elsewhere") is Verdict.FORGED


def test_no_signature_is_said_as_such() -> None:
    assert verdict({"webhook-id": "msg_1"}) is Verdict.UNSIGNED


@pytest.mark.parametrize(("minutes", "expected"), [(-6, Verdict.STALE), (-5, Verdict.GENUINE), (6, Verdict.STALE)])
def test_a_signature_holds_five_minutes(minutes: int, expected: Verdict) -> None:
    assert verdict(signed(at=NOW + timedelta(minutes=minutes))) is expected


@pytest.mark.parametrize(
    "headers",
    [
        only("bi-") | {"bi-signature-date": "yesterday"},
        {"bi-signature": "x"},
        {"bi-signature": "é"},
        {"webhook-signature": "v1,x"},
        only("webhook-") | {"webhook-timestamp": "9" * 40},
        only("webhook-") | {"webhook-timestamp": "soon"},
    ],
)
def test_what_cannot_be_read_is_not_believed(headers: Mapping[str, str]) -> None:
    assert verdict(headers) is Verdict.FORGED


def test_a_signed_date_without_a_zone_is_not_believed() -> None:
    date = "2026-03-01T12:00:00"
    headers = {"bi-signature-date": date, "bi-signature": powens_signature(SECRET, "POST", PATH, date, BODY)}
    assert verdict(headers) is Verdict.FORGED
