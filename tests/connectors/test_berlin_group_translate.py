"""Our words into a bank's and back, as tables."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from opengiro.connectors.berlin_group.answer import Answer, read_answer, same_bank
from opengiro.connectors.berlin_group.translate import (
    Start,
    next_step,
    payer_ip,
    payment_body,
    periodic_body,
    product,
    reason,
    service,
    trouble,
)
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import BankTrouble, Decoupled, Moved, Order, Redirect, Reply
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from tests.connectors.errands import deferred, order
from tests.connectors.official import Official

BASE = "https://bank.example/psd2"
NOBODY = ".".join("0000")
URL = f"{BASE}/v1/payments/sepa-credit-transfers"


def read(status: int, body: Any, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Reply(status, {k.replace("_", "-"): v for k, v in headers.items()}, content), BASE, URL)


def test_an_order_is_written_in_the_banks_words() -> None:
    sent = order(
        label="Commande n° 42 – merci",
        payee=Account(Scheme.IBAN, "FR7630006000011234567890189", "Café Noël"),
        reference_id="//ORDER//42/",
        payer=Account(Scheme.IBAN, "DE89370400440532013000", "Pat Payer"),
    )
    assert json.loads(payment_body(sent)) == {
        "endToEndIdentification": "ORDER/42",
        "debtorAccount": {"iban": "DE89370400440532013000"},
        "instructedAmount": {"currency": "EUR", "amount": "50.90"},
        "creditorAccount": {"iban": "FR7630006000011234567890189"},
        "creditorName": "Cafe Noel",
        "remittanceInformationUnstructured": "Commande n. 42 - merci",
    }


def test_an_unknown_payer_account_is_left_to_the_bank() -> None:
    assert "debtorAccount" not in json.loads(payment_body(order()))


@pytest.mark.parametrize(
    ("minor", "text"), [(1, "0.01"), (100, "1.00"), (5090, "50.90"), (99999999999999, "999999999999.99")]
)
def test_amounts_are_written_exactly(minor: int, text: str) -> None:
    body = json.loads(payment_body(order(amount=Money(minor, "EUR"))))
    assert body["instructedAmount"]["amount"] == text


def test_only_a_deferred_order_names_its_day() -> None:
    assert json.loads(payment_body(deferred(date(2026, 12, 1))))["requestedExecutionDate"] == "2026-12-01"
    at_once = order(execution=Execution.FIRST_OPEN_DAY, requested_date=date(2026, 12, 1))
    assert "requestedExecutionDate" not in json.loads(payment_body(at_once))


@pytest.mark.parametrize(
    ("execution", "path"),
    [
        (Execution.INSTANT, "instant-sepa-credit-transfers"),
        (Execution.FIRST_OPEN_DAY, "sepa-credit-transfers"),
        (Execution.DEFERRED, "sepa-credit-transfers"),
    ],
)
def test_the_execution_chooses_the_product(execution: Execution, path: str) -> None:
    assert product(order(execution=execution)) == path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount": Money(100, "GBP")}, Reason.INVALID_CURRENCY),
        ({"payee": Account(Scheme.SORT_CODE, "20201234567890", "A shop")}, Reason.INVALID_BENEFICIARY),
        ({"payer": Account(Scheme.SORT_CODE, "20201234567890", "A payer")}, Reason.INVALID_EMITTER),
    ],
)
def test_an_order_no_sepa_bank_can_take_is_never_sent(changes: dict[str, Any], expected: Reason) -> None:
    with pytest.raises(BankTrouble) as caught:
        payment_body(order(**changes))
    assert (caught.value.money, caught.value.permanent, caught.value.reason) == (Moved.NOT_SENT, True, expected)


@pytest.mark.parametrize("write", [payment_body, periodic_body])
def test_a_periodic_order_without_dates_is_never_sent(write: Callable[[Order], bytes]) -> None:
    with pytest.raises(BankTrouble) as caught:
        write(order(execution=Execution.PERIODIC))
    assert (caught.value.money, caught.value.reason) == (Moved.NOT_SENT, Reason.INVALID_DATE)


def test_an_order_goes_to_the_service_that_takes_it() -> None:
    assert [(service(one), product(one)) for one in (order(), standing(Frequency.DAILY))] == [
        ("payments", "instant-sepa-credit-transfers"),
        ("periodic-payments", "sepa-credit-transfers"),
    ]


@pytest.mark.parametrize(
    ("frequency", "word", "day", "months"),
    [
        (Frequency.DAILY, "Daily", None, None),
        (Frequency.WEEKLY, "Weekly", None, None),
        (Frequency.TWO_WEEKLY, "EveryTwoWeeks", None, None),
        (Frequency.MONTHLY, "Monthly", "31", None),
        (Frequency.TWO_MONTHLY, "EveryTwoMonths", "31", None),
        (Frequency.QUARTERLY, "Quarterly", "31", None),
        (Frequency.FOUR_MONTHLY, "MonthlyVariable", "31", ["1", "5", "9"]),
        (Frequency.SEMIANNUALLY, "SemiAnnual", "31", None),
        (Frequency.YEARLY, "Annual", "31", None),
    ],
)
def test_every_frequency_has_a_word_of_the_standard(
    official: Official, frequency: Frequency, word: str, day: str | None, months: list[str] | None
) -> None:
    sent = json.loads(periodic_body(standing(frequency)))
    assert (sent["frequency"], sent.get("dayOfExecution"), sent.get("monthsOfExecution")) == (word, day, months)
    assert (sent["startDate"], sent["executionRule"], "endDate" in sent) == ("2027-01-31", "following", False)
    assert "requestedExecutionDate" not in sent
    assert word in official.words("frequencyCode")


def test_the_end_of_a_standing_order_is_sent_where_there_is_one() -> None:
    ended = standing(Frequency.MONTHLY, date(2027, 12, 31))
    assert json.loads(periodic_body(ended))["endDate"] == "2027-12-31"


def standing(frequency: Frequency, end: date | None = None) -> Order:
    return order(execution=Execution.PERIODIC, recurrence=Recurrence(frequency, date(2027, 1, 31), end))


@pytest.mark.parametrize(
    ("address", "strict", "profile"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2002:c000:0207::1", "192.0.2.7", "192.0.2.7"),
        ("64:ff9b::c000:207", "192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", NOBODY, "2001:db8::1"),
        (None, NOBODY, NOBODY),
        ("unknown", NOBODY, NOBODY),
    ],
)
def test_the_payers_address_fits_the_banks_schema(address: str | None, strict: str, profile: str) -> None:
    assert payer_ip(address, ipv6=False) == strict
    assert payer_ip(address, ipv6=True) == profile


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ({"href": "https://bank.example/sca/1"}, "https://bank.example/sca/1"),
        ("https://bank.example/sca/1", "https://bank.example/sca/1"),
        ({"href": "/psd2/sca/1"}, "https://bank.example/psd2/sca/1"),
        ({"href": "/v1/payments/1"}, "https://bank.example/psd2/v1/payments/1"),
        ({"href": None}, None),
        ({"href": ""}, None),
        ({"href": 7}, None),
        ({}, None),
        (None, None),
        (["https://bank.example"], None),
        ("http://[::bad/", None),
        ("https://bank.example/\r\nSet-Cookie: a", None),
        ("https://bank.example/a b", None),
    ],
)
def test_links_are_read_in_every_form_banks_write_them(link: Any, address: str | None) -> None:
    assert read(201, {"_links": {"scaRedirect": link}}).links.get("scaRedirect") == address


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'"text"', b"\xff", b'{"_links": []}', b'{"tppMessages": 5}', b"[" * 100_000],
)
def test_a_body_that_is_no_object_counts_as_empty(body: bytes) -> None:
    answer = read(400, body)
    assert (answer.links, answer.messages, answer.text("paymentId")) == ({}, [], None)


@pytest.mark.parametrize("name", ["ASPSP-SCA-Approach", "aspsp-sca-approach", "Aspsp-Sca-Approach"])
def test_header_names_are_read_in_any_case(name: str) -> None:
    assert read(201, {}, **{name: "decoupled"}).approach == "DECOUPLED"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "30"}, timedelta(seconds=30)),
        ({"Retry_After": "99999999999999"}, timedelta(days=1)),
        (
            {"Retry_After": "Wed, 18 Nov 2026 11:02:00 GMT", "Date": "Wed, 18 Nov 2026 11:00:00 GMT"},
            timedelta(minutes=2),
        ),
        (
            {"Retry_After": "Wed, 18 Nov 2026 10:00:00 GMT", "Date": "Wed, 18 Nov 2026 11:00:00 GMT"},
            timedelta(),
        ),
        ({"Retry_After": "Wed, 18 Nov 2026 11:02:00 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({}, None),
    ],
)
def test_a_wish_to_be_asked_later_is_read(headers: dict[str, str], wait: timedelta | None) -> None:
    assert read(429, {}, **headers).retry_after == wait


REDIRECT = {"scaRedirect": {"href": "https://login.bank.example/1"}}
START = {"startAuthorisation": {"href": f"{URL}/1/authorisations"}}
NAME = {"startAuthorisationWithPsuIdentification": {"href": f"{URL}/1/authorisations"}}
STEPS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("redirect", {"_links": REDIRECT}, "REDIRECT", Redirect("https://login.bank.example/1")),
    ("redirect wins", {"_links": START | REDIRECT}, "", Redirect("https://login.bank.example/1")),
    ("start", {"_links": START}, "", Start(f"{URL}/1/authorisations", identify=False)),
    ("name first", {"_links": NAME}, "DECOUPLED", Start(f"{URL}/1/authorisations", identify=True)),
    ("app", {"psuMessage": "Open the app"}, "DECOUPLED", Decoupled("Open the app")),
    ("app, silent", {}, "DECOUPLED", Decoupled(None)),
    ("exempted", {"scaStatus": "exempted", "_links": REDIRECT}, "", None),
    ("already under way", {"transactionStatus": "ACSP"}, "", None),
]


@pytest.mark.parametrize(("name", "body", "approach", "step"), STEPS, ids=[row[0] for row in STEPS])
def test_the_links_say_how_the_payer_approves(name: str, body: dict[str, Any], approach: str, step: Any) -> None:
    assert next_step(read(201, body, aspsp_sca_approach=approach), BASE) == step


@pytest.mark.parametrize(
    ("links", "approach", "sentence"),
    [
        ({"scaOAuth": {"href": "https://bank.example/.well-known"}}, "REDIRECT", "OAuth"),
        ({"scaOAuth": {"href": None}}, "REDIRECT", "no way"),
        ({"updatePsuAuthentication": {"href": URL}}, "EMBEDDED", "password"),
        ({}, "", "no way"),
        ({"scaRedirect": {"href": "javascript:alert(1)"}}, "REDIRECT", "no way"),
        ({"scaRedirect": {"href": "http://bank.example/"}}, "REDIRECT", "no way"),
    ],
)
def test_an_approval_we_cannot_lead_to_is_refused_with_a_sentence(
    links: dict[str, Any], approach: str, sentence: str
) -> None:
    with pytest.raises(BankTrouble) as caught:
        next_step(read(201, {"transactionStatus": "RCVD", "_links": links}, aspsp_sca_approach=approach), BASE)
    assert sentence in caught.value.said
    assert (caught.value.money, caught.value.permanent) == (Moved.REFUSED, True)


@pytest.mark.parametrize(
    ("status", "money", "permanent"),
    [
        (200, Moved.UNKNOWN, False),
        (201, Moved.UNKNOWN, False),
        (302, Moved.UNKNOWN, False),
        (400, Moved.REFUSED, True),
        (401, Moved.REFUSED, True),
        (403, Moved.REFUSED, True),
        (404, Moved.REFUSED, True),
        (408, Moved.UNKNOWN, False),
        (409, Moved.REFUSED, True),
        (429, Moved.NOT_SENT, False),
        (500, Moved.UNKNOWN, False),
        (502, Moved.UNKNOWN, False),
        (503, Moved.NOT_SENT, False),
        (504, Moved.UNKNOWN, False),
    ],
)
def test_the_http_status_says_what_may_have_happened_to_the_money(status: int, money: Moved, permanent: bool) -> None:
    told = trouble(read(status, {}))
    assert (told.money, told.permanent) == (money, permanent)


@pytest.mark.parametrize(
    ("code", "path", "text", "expected"),
    [
        ("FORMAT_ERROR", "debtorAccount.iban", "", Reason.INVALID_EMITTER),
        ("FORMAT_ERROR", "creditorAccount/iban", "", Reason.INVALID_BENEFICIARY),
        ("FORMAT_ERROR", "instructedAmount.currency", "", Reason.INVALID_CURRENCY),
        ("FORMAT_ERROR", "instructedAmount.amount", "", Reason.INVALID_AMOUNT),
        ("FORMAT_ERROR", "remittanceInformationUnstructured", "", Reason.INVALID_LABEL),
        ("FORMAT_ERROR", "endToEndIdentification", "", Reason.INVALID_REFERENCE),
        ("FORMAT_ERROR", "elsewhere", "", Reason.INVALID_VALUE),
        ("EXECUTION_DATE_INVALID", None, "", Reason.INVALID_DATE),
        ("PAYMENT_FAILED", None, "AM04 no funds", Reason.INSUFFICIENT_FUNDS),
        ("AM04", None, "", Reason.INSUFFICIENT_FUNDS),
        ("SERVICE_BLOCKED", None, "", Reason.BANK_UNAVAILABLE),
        ("PSU_CREDENTIALS_INVALID", None, "", Reason.AUTHENTICATION_FAILED),
        ("NEW_CODE", None, "", None),
    ],
)
def test_a_complaint_of_the_bank_has_a_reason_of_ours(
    code: str, path: str | None, text: str, expected: Reason | None
) -> None:
    message = {"category": "ERROR", "code": code, "path": path, "text": text}
    assert reason(read(400, {"tppMessages": [message]})) is expected


def test_trouble_keeps_the_banks_words_and_its_text_for_the_payer() -> None:
    message = {"category": "ERROR", "code": "FORMAT_ERROR", "path": "creditorName", "text": "too long"}
    told = trouble(read(400, {"tppMessages": [message], "psuMessage": "Please call us"}))
    assert (told.said, told.message) == ("400 FORMAT_ERROR creditorName too long", "Please call us")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://bank.example/elsewhere", True),
        ("http://bank.example/psd2", False),
        ("https://bank.example.evil.example/psd2", False),
        ("https://bank.example:8443/psd2", False),
        ("https://bank.example@evil.example/", False),
    ],
)
def test_only_the_banks_own_origin_is_the_bank(url: str, same: bool) -> None:
    assert same_bank(url, BASE) is same
