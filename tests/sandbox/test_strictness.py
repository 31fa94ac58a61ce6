"""What a bank refuses, and the documented code it refuses it with."""

from typing import Any

import pytest

from tests.sandbox.tpp import TPP_HEADERS, Bank, order, products_path


def complaint(answer: Any) -> tuple[int, str, str]:
    message = answer.json()["tppMessages"][0]
    return answer.status_code, message["code"], message.get("path", "")


BAD_BODIES = [
    ({"instructedAmount": {"currency": "EUR", "amount": "12,345"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": "1.005"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": "-1.00"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": "0.00"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": "1.00\n"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": "\u0661.00"}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "EUR", "amount": 12.5}}, "instructedAmount.amount"),
    ({"instructedAmount": {"currency": "USD", "amount": "1.00"}}, "instructedAmount.currency"),
    ({"instructedAmount": "1.00 EUR"}, "instructedAmount.currency"),
    ({"creditorAccount": {"iban": "FR7630006000011234567890188"}}, "creditorAccount.iban"),
    ({"creditorAccount": {"iban": "FR76 3000 6000 0112 3456 7890 189"}}, "creditorAccount.iban"),
    ({"creditorAccount": {}}, "creditorAccount.iban"),
    ({"creditorName": None}, "creditorName"),
    ({"creditorName": "x" * 71}, "creditorName"),
    ({"creditorName": "Café Müller"}, "creditorName"),
    ({"remittanceInformationUnstructured": "x" * 141}, "remittanceInformationUnstructured"),
    ({"remittanceInformationUnstructured": "<b>"}, "remittanceInformationUnstructured"),
    ({"endToEndIdentification": "x" * 36}, "endToEndIdentification"),
    ({"endToEndIdentification": "/1001"}, "endToEndIdentification"),
    ({"debtorAccount": {"iban": "FR00"}}, "debtorAccount.iban"),
    ({"creditorAgent": "NOTABIC"}, "creditorAgent"),
    ({"requestedExecutionDate": "2026-02-30"}, "requestedExecutionDate"),
    ({"requestedExecutionDate": "tomorrow"}, "requestedExecutionDate"),
]


@pytest.mark.parametrize(("changes", "path"), BAD_BODIES)
def test_a_body_that_breaks_a_rule_is_a_format_error_at_its_path(
    horizon: Bank, changes: dict[str, Any], path: str
) -> None:
    assert complaint(horizon.post_payment(**changes)) == (400, "FORMAT_ERROR", path)
    assert horizon.ledger() == []


def test_all_complaints_are_told_at_once(horizon: Bank) -> None:
    answer = horizon.post_payment(creditorName=None, endToEndIdentification="é")
    assert [message["path"] for message in answer.json()["tppMessages"]] == ["creditorName", "endToEndIdentification"]


@pytest.mark.parametrize("day", ["2026-11-17", "2028-01-01"])
def test_a_date_in_the_past_or_too_far_ahead_has_its_own_code(horizon: Bank, day: str) -> None:
    answer = horizon.post_payment("sct", requestedExecutionDate=day)
    assert complaint(answer) == (400, "EXECUTION_DATE_INVALID", "requestedExecutionDate")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 9000, b'"text"'])
def test_what_is_not_a_json_object_is_a_format_error(horizon: Bank, body: bytes) -> None:
    answer = horizon.call("POST", products_path("instant"), headers=TPP_HEADERS, content=body)
    assert complaint(answer)[:2] == (400, "FORMAT_ERROR")


def test_a_body_is_capped(horizon: Bank) -> None:
    answer = horizon.call("POST", products_path("instant"), headers=TPP_HEADERS, content=b" " * 17_000)
    assert complaint(answer)[:2] == (400, "FORMAT_ERROR")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Request-ID", None),
        ("X-Request-ID", "1001"),
        ("PSU-IP-Address", None),
        ("PSU-IP-Address", "2001:db8::1"),
        ("TPP-Redirect-URI", None),
        ("TPP-Redirect-URI", "javascript:alert(1)"),
        ("TPP-Nok-Redirect-URI", "/relative"),
    ],
)
def test_a_header_that_is_missing_or_wrong_is_a_format_error(horizon: Bank, name: str, value: str | None) -> None:
    assert complaint(horizon.post_payment("instant", {name: value})) == (400, "FORMAT_ERROR", name)


def test_a_body_of_another_media_type_is_refused(horizon: Bank) -> None:
    assert horizon.post_payment("instant", {"Content-Type": "application/xml"}).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/payments/sepa-credit-transfers/unknown", (404, "RESOURCE_UNKNOWN")),
        ("GET", "/v1/payments/sepa-credit-transfers/unknown/status", (404, "RESOURCE_UNKNOWN")),
        ("POST", "/v1/payments/target-2-payments", (404, "PRODUCT_UNKNOWN")),
        ("POST", "/v1/bulk-payments/sepa-credit-transfers", (405, "SERVICE_INVALID")),
    ],
)
def test_what_does_not_exist_is_told_by_its_code(
    horizon: Bank, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert complaint(horizon.call(method, path))[:2] == expected


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/payments/sepa-credit-transfers"), ("GET", "/v1/accounts")])
def test_what_the_bank_does_not_serve_is_refused_in_the_standards_form(horizon: Bank, method: str, path: str) -> None:
    answer = horizon.http.request(
        method, horizon.url + path, headers={"X-Request-ID": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
    )
    assert complaint(answer)[:2] in {(405, "SERVICE_INVALID"), (404, "RESOURCE_UNKNOWN")}


def test_a_payment_is_not_found_under_another_product(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    path = paying.path.replace("instant-", "")
    assert complaint(horizon.call("GET", path))[:2] == (403, "PRODUCT_INVALID")


def test_a_payment_is_not_found_at_another_bank(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    other = Bank(horizon.url.removesuffix("/horizon"), "brume", horizon.http, horizon.judge)
    assert other.call("GET", paying.path).status_code == 404


def test_an_unknown_authorisation_is_not_found(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    assert horizon.call("GET", f"{paying.path}/authorisations/unknown").status_code == 404


def test_a_bank_without_deferred_payments_refuses_a_later_day(horizon: Bank) -> None:
    mercure = Bank(horizon.url.removesuffix("/horizon"), "mercure", horizon.http, horizon.judge)
    answer = mercure.post_payment("sct", requestedExecutionDate="2026-11-20")
    assert complaint(answer) == (400, "PARAMETER_NOT_SUPPORTED", "requestedExecutionDate")


def test_an_order_that_only_the_standard_minimum_fills_is_accepted(horizon: Bank) -> None:
    minimal = {key: None for key in order() if key not in {"instructedAmount", "creditorAccount", "creditorName"}}
    assert horizon.post_payment("sct", **minimal).status_code == 201
