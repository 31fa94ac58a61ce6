"""The powens client over real HTTP."""

from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from opengiro_kit import AsyncPowensClient, Credentials, Patience, PowensClient, PowensError, Unreachable
from opengiro_kit.exchange import BUSY, Lost, Reply, Request, patiently, retry_after_s
from opengiro_kit.powens import (
    BankAccount,
    Execution,
    NewInstruction,
    NewPayment,
    Payment,
    PaymentState,
    webview_url,
    wire,
)
from opengiro_kit.powens.objects import decoder
from starlette.responses import JSONResponse, Response

from tests.shop.wire import PowensWire

BRISK = Patience(first_pause_s=0.01, pause_max_s=1)


def new_payment(amount: str = "50.90") -> NewPayment:
    instruction = NewInstruction(
        amount=Decimal(amount),
        currency="EUR",
        label="Order 77",
        execution_date_type=Execution.INSTANT,
        beneficiary=BankAccount.iban("FR7630006000011234567890189", "Shop"),
    )
    return NewPayment(client_redirect_uri="https://shop.example/cb", client_state="77", instructions=(instruction,))


@pytest.fixture
def client(powens_wire: PowensWire) -> PowensClient:
    return PowensClient(powens_wire.credentials, patience=BRISK)


def busy(status: int, after: str = "0") -> Response:
    return JSONResponse({"code": "tooManyRequests"}, status, {"retry-after": after})


def test_a_payment_is_created_and_read_back_to_the_cent(client: PowensClient, powens_wire: PowensWire) -> None:
    created = client.create_payment(new_payment("50.90"))
    read = client.payment(created.id)
    assert read.state is PaymentState.CREATED
    assert (read.amount, read.currency) == (Decimal("50.90"), "EUR")
    assert read.instructions[0].beneficiary is not None
    assert read.client_state == "77"


async def test_the_asynchronous_client_does_the_same(powens_wire: PowensWire) -> None:
    async with AsyncPowensClient(powens_wire.credentials) as client:
        created = await client.create_payment(new_payment())
        token = await client.scoped_token(created.id)
        assert (await client.payment(created.id)) == created
        assert token.id_payment == created.id
        assert (await client.payments(state="created")).total == 1


@pytest.mark.parametrize(
    ("amount", "digits"),
    [("0.1", "0.1"), ("19.90", "19.90"), ("1234567890123.45", "1234567890123.45"), ("1E+2", "100")],
)
def test_amounts_are_sent_digit_by_digit(amount: str, digits: str) -> None:
    body = wire.create_payment(new_payment(amount), "key").request.body
    assert body is not None
    assert f'"amount":{digits},'.encode() in body


def test_a_float_is_never_an_amount() -> None:
    account = BankAccount.iban("FR7630006000011234567890189", "Shop")
    with pytest.raises(TypeError, match="Decimal"):
        NewInstruction(
            amount=50.90,  # type: ignore[arg-type]  # what this test is about
            currency="EUR",
            label="x",
            execution_date_type=Execution.INSTANT,
            beneficiary=account,
        )


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity"])
def test_an_amount_is_more_than_zero(amount: str) -> None:
    with pytest.raises(ValueError, match="more than zero"):
        new_payment(amount)


def test_one_token_serves_many_calls(client: PowensClient, powens_wire: PowensWire) -> None:
    created = client.create_payment(new_payment())
    for _ in range(3):
        client.payment(created.id)
    assert powens_wire.called("POST", "/auth/token") == 1


def test_a_token_is_renewed_before_its_half_hour_ends(powens_wire: PowensWire) -> None:
    now_s = [0.0]
    client = PowensClient(powens_wire.credentials, clock=lambda: now_s[0])
    client.payments()
    now_s[0] = 29 * 60 + 1
    client.payments()
    assert powens_wire.called("POST", "/auth/token") == 2


def test_a_forgotten_token_is_renewed_once(client: PowensClient, powens_wire: PowensWire) -> None:
    client.payments()
    powens_wire.tokens.clear()
    assert client.payments().total == 0
    assert powens_wire.called("POST", "/auth/token") == 2


def test_wrong_credentials_are_told_and_not_tried_again(powens_wire: PowensWire) -> None:
    known = powens_wire.credentials
    client = PowensClient(Credentials(known.base_url, known.client_id, "wrong"))
    with pytest.raises(PowensError) as refusal:
        client.payments()
    assert (refusal.value.status, refusal.value.code, refusal.value.request_id) == (401, "unauthorized", "99")
    assert powens_wire.called("POST", "/auth/token") == 1


def test_an_error_names_its_code_and_request(client: PowensClient) -> None:
    with pytest.raises(PowensError, match=r"notFound, HTTP 404: .* \(request 99\)"):
        client.payment(1)


def test_an_error_without_a_readable_body_is_still_an_error(client: PowensClient, powens_wire: PowensWire) -> None:
    powens_wire.answered_first.append(Response("<html>oops", 500))
    with pytest.raises(PowensError) as refusal:
        client.payments()
    assert (refusal.value.code, refusal.value.status) == ("unreadableAnswer", 500)


@pytest.mark.parametrize("status", sorted(BUSY))
def test_a_read_is_repeated_while_the_service_is_busy(
    client: PowensClient, powens_wire: PowensWire, status: int
) -> None:
    powens_wire.answered_first += [busy(status), busy(status)]
    assert client.payments().total == 0
    assert powens_wire.called("GET", "/payments") == 3


def test_a_read_is_given_up_after_three_tries(client: PowensClient, powens_wire: PowensWire) -> None:
    powens_wire.answered_first += [busy(503)] * 5
    with pytest.raises(PowensError):
        client.payments()
    assert powens_wire.called("GET", "/payments") == 3


def test_a_longer_wait_than_we_have_is_not_waited(client: PowensClient, powens_wire: PowensWire) -> None:
    powens_wire.answered_first.append(busy(429, "3600"))
    with pytest.raises(PowensError) as refusal:
        client.payments()
    assert refusal.value.status == 429


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_post_that_was_answered_is_not_repeated(client: PowensClient, powens_wire: PowensWire, status: int) -> None:
    powens_wire.answered_first.append(busy(status))
    with pytest.raises(PowensError):
        client.create_payment(new_payment())
    assert powens_wire.called("POST", "/payments") == 1


def test_a_post_whose_answer_was_lost_is_repeated_under_its_key() -> None:
    request = wire.create_payment(new_payment(), "the-key").request
    talk = patiently(request, BRISK)
    sent = [next(talk)]
    for heard in (Lost("reset"), Lost("reset")):
        sent.append(talk.send(heard))
    with pytest.raises(StopIteration) as end:
        talk.send(Reply(200, {}, b"{}"))
    assert end.value.value.status == 200
    assert {one.request.headers["idempotency-key"] for one in sent} == {"the-key"}


def test_a_post_without_a_key_is_never_repeated() -> None:
    talk = patiently(Request("POST", "/payments"), BRISK)
    next(talk)
    with pytest.raises(Unreachable, match="POST /payments got no answer: reset"):
        talk.send(Lost("reset"))


def test_creating_waits_for_the_first_call_under_the_same_key(client: PowensClient, powens_wire: PowensWire) -> None:
    powens_wire.answered_first.append(JSONResponse({"code": "conflict"}, 409))
    assert client.create_payment(new_payment()).state is PaymentState.CREATED


def test_each_call_has_a_key_of_its_own(client: PowensClient, powens_wire: PowensWire) -> None:
    client.create_payment(new_payment())
    client.create_payment(new_payment())
    keys = [key for method, path, key in powens_wire.calls if (method, path) == ("POST", "/payments")]
    assert len(set(keys)) == 2
    assert None not in keys


def test_the_same_key_answers_the_same_payment(client: PowensClient, powens_wire: PowensWire) -> None:
    first = client.create_payment(new_payment(), idempotency_key="order-77")
    again = client.create_payment(new_payment(), idempotency_key="order-77")
    assert first == again
    assert len(powens_wire.payments) == 1


def test_nobody_at_home_is_unreachable() -> None:
    client = PowensClient(Credentials("http://127.0.0.1:9/2.0", "1", "s"), patience=BRISK)
    with pytest.raises(Unreachable, match="/auth/token"):
        client.payments()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3), (" 3 ", 3), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


def test_a_state_nobody_knows_yet_is_kept_as_it_came() -> None:
    payment: Payment = decoder(Payment)(b'{"id":1,"state":"escrowed","instructions":[],"action":"wave"}')
    assert payment.state == "escrowed"
    assert not payment.state.known
    assert not payment.state.final
    assert payment.action == "wave"


@pytest.mark.parametrize(
    ("fields", "names"),
    [(b"[]", []), (b"null", []), (b'[{"name":"sms"}]', ["sms"]), (b'{"sms":{"name":"sms"}}', ["sms"])],
)
def test_a_banks_questions_come_in_either_documented_shape(fields: bytes, names: list[str]) -> None:
    payment: Payment = decoder(Payment)(b'{"id":1,"state":"validating","fields":%s}' % fields)
    assert [question.name for question in payment.questions] == names


def test_a_currency_is_a_code_or_an_object() -> None:
    for said in (b'"EUR"', b'{"id":"EUR","symbol":"x","precision":2}'):
        body = b'{"id":1,"state":"done","instructions":[{"amount":1.0000000000,"currency":%s}]}' % said
        payment: Payment = decoder(Payment)(body)
        assert (payment.amount, payment.currency) == (Decimal(1), "EUR")


def test_connectors_tell_their_limits_exactly(client: PowensClient) -> None:
    (bank,) = client.connectors(country_codes=("FR",))
    assert bank.payment_settings is not None
    assert bank.payment_settings.maximum_amount == {"instant": Decimal("100.10")}


def test_the_webview_address_carries_what_the_wire_documents() -> None:
    credentials = Credentials("https://demo.example/2.0/", "4711", "s", domain="demo")
    address = urlsplit(webview_url(credentials, 42, "a//+b=", "https://shop.example/cb", "order 1", "fr"))
    assert address.path == "/2.0/auth/webview/fr/payment"
    assert parse_qs(address.query) == {
        "domain": ["demo"],
        "client_id": ["4711"],
        "redirect_uri": ["https://shop.example/cb"],
        "state": ["order 1"],
        "code": ["a//+b="],
        "payment_id": ["42"],
    }


UPDATES: list[tuple[Callable[[PowensClient], Payment], dict[str, object]]] = [
    (lambda client: client.resume(1), {"resume": True}),
    (lambda client: client.submit_fields(1, {"sms": "1234"}), {"fields": {"sms": "1234"}}),
    (lambda client: client.psu_validate(1, approved=False), {"psu_validate": False}),
    (lambda client: client.confirm(1), {"confirm": True}),
    (
        lambda client: client.cancel(1, "https://shop.example/cb"),
        {"cancel": True, "client_redirect_uri": "https://shop.example/cb"},
    ),
    (
        lambda client: client.validate(1, "https://shop.example/back", connector_uuid="u-1"),
        {
            "validate_mechanism": "webauth",
            "webview_url": "https://shop.example/back",
            "validated": True,
            "connector_uuid": "u-1",
        },
    ),
]


@pytest.mark.parametrize(("call", "body"), UPDATES)
def test_each_update_sends_its_documented_body(
    call: Callable[[PowensClient], Payment], body: dict[str, object]
) -> None:
    sent: list[bytes | None] = []

    class Listening(PowensClient):
        def _ask(self, asked: wire.Call[wire.Answer]) -> wire.Answer:
            sent.append(asked.request.body)
            return asked.read(Reply(200, {}, b'{"id":1,"state":"pending"}'))

    call(Listening(Credentials("http://x/2.0", "1", "s")))
    assert [msgspec.json.decode(one or b"") for one in sent] == [body]
