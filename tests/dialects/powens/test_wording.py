"""Every table of words is total: what the domain can say, the wire can word."""

from __future__ import annotations

import re

import msgspec
import pytest

from opengiro.dialects import Answer
from opengiro.dialects.powens import wording
from opengiro.dialects.powens.routes import ROUTES
from opengiro.domain.banks import Health
from opengiro.domain.compatibility import Mismatch
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.rights import Right

ERROR_CODES = {
    "invalidEmitter", "insufficientFunds", "invalidAmount", "invalidCurrency", "invalidDate", "invalidBeneficiary",
    "invalidLabel", "invalidReferenceId", "regulatoryReason", "authenticationFailed", "noAnswerFromCustomer",
    "noSpecifiedReason", "CancelledByUser", "CancelledByClient", "confirmationRefused", "bankMessage", "invalidValue",
    "websiteUnavailable", "bug",
}  # fmt: skip
INCOMPATIBILITIES = {
    "maxAmount", "minAmount", "maxBulk", "maxDateDelta", "minDateDelta", "nspDateType", "nspFrequency", "nspBulk",
    "nspBenefScheme", "nspPayer", "nspExecDate", "nspCurrency", "trustBenef",
}  # fmt: skip
STATES = {"created", "validating", "pending", "rejected", "done", "accepted", "expired", "partial"}


def test_every_refusal_has_a_status_a_code_and_a_sentence() -> None:
    assert set(wording.REFUSALS) == set(Refusal)
    for status, code, text in wording.REFUSALS.values():
        assert 400 <= status < 600
        assert re.fullmatch(r"[a-z][A-Za-z]+", code)
        assert text[0].isupper()
        assert text.endswith(".")


def test_every_reason_is_a_documented_error_code() -> None:
    assert set(wording.REASONS) == set(Reason)
    assert set(wording.REASONS.values()) == ERROR_CODES


def test_every_state_is_a_documented_state() -> None:
    assert set(wording.STATES) == set(State)
    assert set(wording.STATES.values()) == STATES


def test_every_mismatch_is_a_documented_code_with_a_sentence() -> None:
    assert set(wording.MISMATCHES) == set(Mismatch)
    assert {code for code, _ in wording.MISMATCHES.values()} <= INCOMPATIBILITIES
    assert all(text.endswith(".") for _, text in wording.MISMATCHES.values())


def test_every_right_that_opens_a_route_is_a_scope_or_configures() -> None:
    openers = {right for route in ROUTES for right in route.rights or ()}
    assert openers <= {*wording.SCOPES.values(), Right.CONFIGURE}


def test_every_health_has_a_word() -> None:
    assert set(wording.STABILITIES) == set(Health)


@pytest.mark.parametrize(
    ("why", "status", "code"),
    [
        (Refusal.FIELD_MISSING, 400, "missingParameter"),
        (Refusal.FIELD_INVALID, 400, "invalidValue"),
        (Refusal.AMOUNT_ABOVE_MAXIMUM, 400, "invalidValue"),
        (Refusal.REDIRECT_UNREGISTERED, 400, "invalidValue"),
        (Refusal.SCOPE_NOT_GRANTABLE, 400, "invalidValue"),
        (Refusal.CANCEL_UNSUPPORTED, 400, "notSupported"),
        (Refusal.STATE_FORBIDS, 409, "conflict"),
        (Refusal.TOKEN_MISSING, 401, "unauthorized"),
        (Refusal.TOKEN_INVALID, 401, "unauthorized"),
        (Refusal.CREDENTIALS_WRONG, 401, "unauthorized"),
        (Refusal.FEATURE_DISABLED, 401, "unauthorized"),  # PU31
        (Refusal.SCOPE_MISSING, 403, "forbidden"),
        (Refusal.NOT_FOUND, 404, "notFound"),
        (Refusal.TOO_MANY_REQUESTS, 429, "tooManyRequests"),
        (Refusal.OVERLOADED, 503, "serviceUnavailable"),
        (Refusal.UNAVAILABLE, 503, "serviceUnavailable"),
        (Refusal.IDEMPOTENCY_KEY_REUSED, 422, "idempotencyKeyReused"),  # PU13
        (Refusal.IDEMPOTENCY_KEY_IN_FLIGHT, 409, "idempotencyKeyInFlight"),
    ],
)
def test_refusals_have_the_documented_status_and_code(why: Refusal, status: int, code: str) -> None:
    assert wording.REFUSALS[why][:2] == (status, code)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (wording.broke(7), 500, "bug"),
        (wording.no_route(7), 404, "notFound"),
        (wording.wrong_method(7), 405, "methodNotAllowed"),
        (wording.refuse(Refused(Refusal.NOT_FOUND), 7), 404, "notFound"),
    ],
)
def test_pc22_pc23_every_error_has_the_same_four_keys(answer: Answer, status: int, code: str) -> None:
    body = msgspec.json.decode(answer.body)
    assert (answer.status, body["code"], body["message"], body["request_id"]) == (status, code, None, 7)
    assert list(body) == ["code", "description", "message", "request_id"]


def test_complaints_name_each_property_by_its_path() -> None:
    refused = Refused(
        Refusal.FIELD_INVALID, Complaint("a[0].b", "is wrong"), Complaint("c", "is required", missing=True)
    )
    body = msgspec.json.decode(wording.refuse(refused, 7).body)
    assert body["description"] == "a[0].b: is wrong; c: is required"


def test_a_banks_own_text_is_the_message_and_ours_never_is() -> None:
    banks = wording.refuse(Refused(Refusal.BANK_DECLINED, detail="Compte bloqué"), 7)
    assert msgspec.json.decode(banks.body)["message"] == "Compte bloqué"
    ours = msgspec.json.decode(wording.refuse(Refused(Refusal.STATE_FORBIDS, detail="a webhook uses it"), 7).body)
    assert (ours["message"], ours["description"]) == (None, "a webhook uses it")
