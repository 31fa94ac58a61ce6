"""Payments for a later day, and how they are stopped."""

from datetime import UTC, datetime

import pytest

from tests.sandbox.tpp import TPP, TPP_NOK, Bank, Payer, Paying, Sandbox

FRIDAY = "2026-11-20"


@pytest.fixture
def deferred(horizon: Bank) -> Paying:
    paying = horizon.pay("sct", requestedExecutionDate=FRIDAY)
    paying.payer().go_through("approve")
    return paying


def cancelling(paying: Paying) -> Payer:
    link = paying.delete().json()["_links"]["startAuthorisation"]["href"]
    started = paying.bank.call("POST", link)
    assert started.status_code == 201
    return Payer(paying.bank, started.json()["_links"]["scaRedirect"]["href"])


def test_a_deferred_payment_waits_for_six_in_the_morning_of_its_day(sandbox: Sandbox, deferred: Paying) -> None:
    assert deferred.status() == "ACTC"
    sandbox.clock.at = datetime(2026, 11, 20, 4, 59, 59, tzinfo=UTC)
    assert deferred.status() == "ACTC"
    sandbox.clock.forward(seconds=1)
    assert deferred.status() == "ACSP"
    sandbox.clock.forward(seconds=20)
    assert deferred.status() == "ACSC"


def test_a_payment_nobody_approved_is_cancelled_at_once(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    payer = paying.payer()
    assert paying.delete().status_code == 204
    assert (paying.status(), paying.sca()) == ("CANC", "failed")
    assert "Nothing to approve" in payer.get().text
    assert paying.delete().status_code == 409


def test_a_deferred_payment_is_cancelled_with_its_payers_approval(horizon: Bank, deferred: Paying) -> None:
    asked = deferred.delete()
    assert (asked.status_code, asked.json()["transactionStatus"]) == (202, "ACTC")
    payer = cancelling(deferred)
    assert "Approve the cancellation" in payer.bank.http.get(payer.log_in().headers["location"]).text
    assert payer.decide("approve").headers["location"] == TPP
    assert deferred.status() == "CANC"
    assert horizon.balances()["everyday"] == "12480.55"
    assert [line["debited"] for line in horizon.ledger()] == ["0.00"]


def test_a_cancellation_the_payer_refuses_leaves_the_payment(deferred: Paying) -> None:
    payer = cancelling(deferred)
    payer.log_in()
    assert payer.decide("refuse").headers["location"] == TPP_NOK
    assert deferred.status() == "ACTC"


def test_a_cancellation_approved_after_execution_began_comes_too_late(sandbox: Sandbox, deferred: Paying) -> None:
    sandbox.clock.at = datetime(2026, 11, 20, 4, 59, 50, tzinfo=UTC)
    payer = cancelling(deferred)
    payer.log_in()
    sandbox.clock.forward(seconds=30)
    assert payer.decide("approve").headers["location"] == TPP_NOK
    assert deferred.status() == "ACSC"


def test_the_cancellations_authorisation_tells_its_status(deferred: Paying) -> None:
    bank = deferred.bank
    payer = cancelling(deferred)
    listed = bank.call("GET", f"{deferred.path}/cancellation-authorisations").json()["authorisationIds"]
    path = f"{deferred.path}/cancellation-authorisations/{listed[0]}"
    assert bank.call("GET", path).json() == {"scaStatus": "received"}
    payer.log_in()
    payer.decide("approve")
    assert bank.call("GET", path).json() == {"scaStatus": "finalised"}


@pytest.mark.parametrize("product", ["instant", "sct"])
def test_a_payment_in_execution_cannot_be_cancelled(horizon: Bank, product: str) -> None:
    paying = horizon.pay(product)
    paying.payer().go_through("approve")
    answer = paying.delete()
    assert (answer.status_code, answer.json()["tppMessages"][0]["code"]) == (405, "CANCELLATION_INVALID")


def test_a_bank_that_does_not_cancel_says_so(sandbox: Sandbox) -> None:
    assert sandbox.bank("brume").pay("sct").delete().status_code == 405


def test_there_is_no_cancellation_to_approve_of_a_payment_that_is_not_waiting(horizon: Bank) -> None:
    paying = horizon.pay("sct")
    assert horizon.call("POST", f"{paying.path}/cancellation-authorisations").status_code == 409
