"""What makes a webhook believable, and what does not."""

import base64
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opengiro_kit import Doubt, PaymentEvent, WebhookRefused, read_event
from opengiro_kit.signatures import BODY_MAX_BYTES, bi_signature, standard_signature

SECRET = "test-secret"
PATH = "/v1/webhook-listener"
DATE = "2022-06-27T11:08:52.577831Z"
BODY = b'{"id": 1, "state": "done"}'
SIGNATURE = "V3nnIaUGs3ohUdkPY1aeM3gHGNdScVFLx76dnGXg68U="
THEN = datetime.fromisoformat(DATE)
HEADERS = {"BI-Signature": SIGNATURE, "BI-Signature-Date": DATE}


def hear(
    headers: dict[str, str],
    body: bytes = BODY,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    path: str = PATH,
    method: str = "POST",
    now: datetime = THEN,
) -> PaymentEvent:
    return read_event(headers, body, path=path, secrets=secrets, method=method, now=lambda: now)


def doubt(hearing: Callable[[], PaymentEvent]) -> Doubt:
    with pytest.raises(WebhookRefused) as refusal:
        hearing()
    return refusal.value.why


def test_the_published_vector_is_believed() -> None:
    assert bi_signature(SECRET, "POST", PATH, DATE, BODY) == SIGNATURE
    assert hear(HEADERS).payment.state == "done"


def test_the_event_tells_its_delivery_and_sequence() -> None:
    body = b'{"id":1,"state":"pending","id_webhook_data":501,"sequence":2,"novel":{"key":1}}'
    headers = {**HEADERS, "BI-Signature": bi_signature(SECRET, "POST", PATH, DATE, body)}
    event = hear(headers, body)
    assert (event.payment.id, event.id_webhook_data, event.sequence) == (1, 501, 2)


@given(st.integers(0, len(BODY) * 8 - 1))
def test_no_flipped_bit_is_believed(bit: int) -> None:
    flipped = bytearray(BODY)
    flipped[bit // 8] ^= 1 << bit % 8
    assert doubt(lambda: hear(HEADERS, bytes(flipped))) is Doubt.WRONG_SIGNATURE


def test_another_path_or_method_is_not_believed() -> None:
    assert doubt(lambda: hear(HEADERS, path="/elsewhere")) is Doubt.WRONG_SIGNATURE
    assert doubt(lambda: hear(HEADERS, method="PUT")) is Doubt.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("later_s", "why"),
    [(300, None), (301, Doubt.TOO_OLD), (-300, None), (-301, Doubt.FROM_THE_FUTURE)],
)
def test_five_minutes_either_way_are_tolerated(later_s: int, why: Doubt | None) -> None:
    now = THEN + timedelta(seconds=later_s)
    if why is None:
        assert hear(HEADERS, now=now).payment.id == 1
    else:
        assert doubt(lambda: hear(HEADERS, now=now)) is why


def test_both_secrets_are_valid_while_they_rotate() -> None:
    assert hear(HEADERS, secrets=("new-secret", SECRET)).payment.id == 1
    assert doubt(lambda: hear(HEADERS, secrets=("new-secret",))) is Doubt.WRONG_SIGNATURE
    assert doubt(lambda: hear(HEADERS, secrets=())) is Doubt.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, Doubt.UNSIGNED),
        ({"BI-Signature": SIGNATURE}, Doubt.INCOMPLETE),
        ({"BI-Signature": SIGNATURE, "BI-Signature-Date": "yesterday"}, Doubt.INCOMPLETE),
        ({"BI-Signature": "", "BI-Signature-Date": DATE}, Doubt.WRONG_SIGNATURE),
        ({"BI-Signature": "é", "BI-Signature-Date": DATE}, Doubt.WRONG_SIGNATURE),
        ({"webhook-signature": "v1,x", "webhook-id": "m", "webhook-timestamp": "9" * 40}, Doubt.INCOMPLETE),
    ],
)
def test_a_missing_or_broken_header_is_not_believed(headers: dict[str, str], why: Doubt) -> None:
    assert doubt(lambda: hear(headers)) is why


def test_a_compressed_body_is_verified_unpacked() -> None:
    packed = {**HEADERS, "Content-Encoding": "gzip"}
    assert hear(packed, gzip.compress(BODY)).payment.id == 1
    assert doubt(lambda: hear(packed, b"not gzip")) is Doubt.UNREADABLE


def test_a_small_body_that_unpacks_without_end_is_refused() -> None:
    bomb = gzip.compress(b" " * (BODY_MAX_BYTES * 20))
    assert doubt(lambda: hear({**HEADERS, "Content-Encoding": "gzip"}, bomb)) is Doubt.TOO_LARGE


def test_a_signed_body_that_is_no_payment_is_unreadable() -> None:
    body = b'{"id": "x"}'
    headers = {**HEADERS, "BI-Signature": bi_signature(SECRET, "POST", PATH, DATE, body)}
    assert doubt(lambda: hear(headers, body)) is Doubt.UNREADABLE


def standard_headers(secret: str, sent: datetime = THEN) -> dict[str, str]:
    timestamp = str(int(sent.timestamp()))
    signature = standard_signature(secret, "msg_1", timestamp, BODY)
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,AAAA {signature}"}


def test_the_standard_vector_is_believed() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = standard_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_standard_headers_alone_are_enough() -> None:
    event = hear(standard_headers(SECRET))
    assert (event.payment.id, event.webhook_id) == (1, "msg_1")
    assert doubt(lambda: hear(standard_headers(SECRET, THEN - timedelta(seconds=301)))) is Doubt.TOO_OLD


def test_a_secret_may_be_written_either_way() -> None:
    written = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    assert hear(standard_headers(SECRET), secrets=(written,)).payment.id == 1


def test_when_both_kinds_are_there_both_must_be_right() -> None:
    wrong = {**HEADERS, **standard_headers("another secret")}
    assert doubt(lambda: hear(wrong)) is Doubt.WRONG_SIGNATURE
    assert hear({**HEADERS, **standard_headers(SECRET)}).payment.id == 1


def test_the_clock_is_the_wall_clock_unless_given() -> None:
    date = datetime.now(UTC).isoformat()
    headers = {"bi-signature": bi_signature(SECRET, "POST", PATH, date, BODY), "bi-signature-date": date}
    assert read_event(headers, BODY, path=PATH, secrets=[SECRET]).payment.id == 1
