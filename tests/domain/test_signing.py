"""What receivers verify, computed the way they compute it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from opengiro_kit.signatures import bi_signature
from opengiro_kit.signatures import standard_signature as kit_signature

from opengiro.domain.signing import (
    new_secret,
    powens_date,
    powens_signature,
    signed_headers,
    standard_signature,
)

NOW = datetime(2022, 6, 27, 11, 8, 52, 577831, tzinfo=UTC)
OLD, NEW = new_secret(b"o" * 32), new_secret(b"n" * 32)
BODY = b'{"id": 1, "state": "done"}'


def headers(secrets: list[str], attempt: int = 1, now: datetime = NOW) -> dict[str, str]:
    return signed_headers(secrets, method="POST", path="/hook", message_id="msg_1", body=BODY, now=now, attempt=attempt)


def test_the_documented_vector_of_the_powens_wire_comes_out() -> None:
    date = powens_date(NOW)
    signature = powens_signature("test-secret", "POST", "/v1/webhook-listener", date, BODY)
    assert date == "2022-06-27T11:08:52.577831Z"
    assert signature == "V3nnIaUGs3ohUdkPY1aeM3gHGNdScVFLx76dnGXg68U="


def test_the_published_vector_of_standard_webhooks_comes_out() -> None:
    signature = standard_signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_date_on_the_full_second_still_has_six_decimals() -> None:
    assert powens_date(NOW.replace(microsecond=0)) == "2022-06-27T11:08:52.000000Z"


def test_a_secret_brought_from_elsewhere_signs_as_it_is() -> None:
    expected = base64.b64encode(hmac.digest(b"plain secret", b"m.5.{}", hashlib.sha256)).decode()
    assert standard_signature("plain secret", "m", 5, b"{}") == f"v1,{expected}"


def test_each_attempt_has_its_own_date_and_the_same_message_id() -> None:
    first, second = headers([NEW]), headers([NEW], 2, NOW.replace(minute=9))
    assert first["webhook-id"] == second["webhook-id"] == "msg_1"
    for name in ("BI-Signature", "BI-Signature-Date", "webhook-timestamp", "webhook-signature"):
        assert first[name] != second[name]


def test_an_endpoint_without_a_secret_gets_no_signature() -> None:
    assert headers([]) == {"webhook-id": "msg_1", "webhook-timestamp": "1656328132"}


def test_while_a_secret_is_rotated_the_standard_header_carries_both() -> None:
    entries = headers([NEW, OLD])["webhook-signature"].split(" ")
    assert entries == [standard_signature(key, "msg_1", 1656328132, BODY) for key in (NEW, OLD)]


def test_while_a_secret_is_rotated_a_receiver_of_either_accepts_one_of_two_tries() -> None:
    signatures = [headers([NEW, OLD], attempt)["BI-Signature"] for attempt in (1, 2, 3, 4)]
    old, new = (powens_signature(key, "POST", "/hook", powens_date(NOW), BODY) for key in (OLD, NEW))
    assert signatures == [old, new, old, new]


@given(st.integers(0, len(BODY) * 8 - 1))
def test_any_flipped_bit_of_the_body_changes_both_signatures(bit: int) -> None:
    flipped = bytearray(BODY)
    flipped[bit // 8] ^= 1 << bit % 8
    date = powens_date(NOW)
    assert powens_signature(OLD, "POST", "/", date, BODY) != powens_signature(OLD, "POST", "/", date, bytes(flipped))
    assert standard_signature(OLD, "m", 1, BODY) != standard_signature(OLD, "m", 1, bytes(flipped))


def test_the_kit_that_verifies_computes_what_we_sign() -> None:
    date = powens_date(NOW)
    for secret in (NEW, "plain secret"):
        assert bi_signature(secret, "POST", "/hook", date, BODY) == powens_signature(
            secret, "POST", "/hook", date, BODY
        )
        assert kit_signature(secret, "msg_1", "5", BODY) == standard_signature(secret, "msg_1", 5, BODY)
