"""The friendly bank: a payer is redirected, approves or refuses, and the bank's word follows its clock."""

from typing import Any

from tests.sandbox.tpp import TPP, TPP_NOK, Bank, Sandbox


def test_an_instant_payment_is_settled_once_its_payer_approves(sandbox: Sandbox, horizon: Bank) -> None:
    paying = horizon.pay("instant")
    assert (paying.status(), paying.sca()) == ("RCVD", "received")
    assert paying.payer().go_through("approve") == TPP
    assert (paying.status(), paying.sca()) == ("ACSC", "finalised")
    sandbox.clock.forward(seconds=5)
    assert paying.status() == "ACCC"


def test_a_standard_transfer_takes_its_steps_on_the_banks_clock(sandbox: Sandbox, horizon: Bank) -> None:
    paying = horizon.pay("sct")
    paying.payer().go_through("approve")
    seen = []
    for step in (0, 2, 1, 16, 1):
        sandbox.clock.forward(seconds=step)
        seen.append(paying.status())
    assert seen == ["ACTC", "ACTC", "ACSP", "ACSP", "ACSC"]


def test_a_refused_payment_is_rejected_and_sends_the_payer_to_the_other_address(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    assert paying.payer().go_through("refuse") == TPP_NOK
    assert (paying.status(), paying.sca()) == ("RJCT", "failed")
    assert "DS02" in paying.said()["psuMessage"]


def test_without_an_address_for_failures_the_payer_returns_to_the_only_one(horizon: Bank) -> None:
    paying = horizon.pay(headers={"TPP-Nok-Redirect-URI": None})
    assert paying.payer().go_through("refuse") == TPP


def test_the_first_answer_carries_the_standards_headers_and_links(horizon: Bank) -> None:
    request_id = "0d6a5a3b-4c5e-4f3d-9f0e-3d1a7d0c9b11"
    answer = horizon.post_payment("instant", {"X-Request-ID": request_id})
    body = answer.json()
    assert answer.headers["x-request-id"] == request_id
    assert answer.headers["aspsp-sca-approach"] == "REDIRECT"
    assert answer.headers["location"].endswith(f"/v1/payments/instant-sepa-credit-transfers/{body['paymentId']}")
    assert set(body["_links"]) == {"self", "status", "scaStatus", "scaRedirect"}


def test_the_payment_is_repeated_with_the_account_the_payer_chose(horizon: Bank) -> None:
    paying = horizon.pay("sct", requestedExecutionDate="2026-11-18")
    before: dict[str, Any] = horizon.call("GET", paying.path).json()
    paying.payer().go_through("approve")
    after = horizon.call("GET", paying.path).json()
    assert before["debtorAccount"] == {}
    assert after["debtorAccount"] == {"iban": horizon.ibans()["everyday"]}
    assert after["instructedAmount"] == {"currency": "EUR", "amount": "42.50"}
    assert after["endToEndIdentification"] == "E2E-1001"


def test_the_same_request_id_twice_makes_two_payments(horizon: Bank) -> None:
    same = {"X-Request-ID": "0d6a5a3b-4c5e-4f3d-9f0e-3d1a7d0c9b11"}
    horizon.pay(headers=same)
    horizon.pay(headers=same)
    assert len({line["payment_id"] for line in horizon.ledger()}) == 2


def test_an_account_without_funds_rejects_the_payment_and_keeps_its_balance(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    assert paying.payer().go_through("approve", "nearly_empty") == TPP_NOK
    said = paying.said()
    assert said["transactionStatus"] == "RJCT"
    assert "AM04" in said["psuMessage"]
    assert "AM04" in said["tppMessages"][0]["text"]
    assert horizon.balances()["nearly_empty"] == "3.42"


def test_a_blocked_account_rejects_the_payment(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    paying.payer().go_through("approve", "blocked")
    assert "AC06" in paying.said()["psuMessage"]


def test_the_reason_is_told_in_the_payers_language(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    paying.payer().go_through("refuse")
    french = horizon.call("GET", f"{paying.path}/status", headers={"PSU-Accept-Language": "fr"})
    assert french.json()["psuMessage"].startswith("Le payeur a refusé")


def test_approval_takes_the_amount_from_the_account_exactly_once(horizon: Bank) -> None:
    payer = horizon.pay("instant").payer()
    payer.go_through("approve")
    assert payer.decide("approve").headers["location"] == TPP
    assert horizon.balances()["everyday"] == "12438.05"


def test_a_second_thought_after_approving_changes_nothing(horizon: Bank) -> None:
    paying = horizon.pay("instant")
    payer = paying.payer()
    payer.go_through("approve")
    assert payer.decide("refuse").headers["location"] == TPP
    assert paying.status() == "ACSC"


def test_a_link_expires_after_a_quarter_of_an_hour(sandbox: Sandbox, horizon: Bank) -> None:
    paying = horizon.pay("instant")
    payer = paying.payer()
    payer.log_in()
    sandbox.clock.forward(minutes=15)
    assert "expired" in payer.get().text
    assert payer.decide("approve").status_code == 200
    assert (paying.status(), paying.sca()) == ("RJCT", "failed")
    assert horizon.balances()["everyday"] == "12480.55"


def test_a_clock_moved_back_does_not_undo_an_approval(sandbox: Sandbox, horizon: Bank) -> None:
    paying = horizon.pay("sct")
    paying.payer().go_through("approve")
    sandbox.clock.forward(days=-1)
    assert paying.status() == "ACTC"


def test_a_restart_forgets_nothing(stopped: Sandbox) -> None:
    with stopped.running():
        paying = stopped.bank().pay("sct")
        paying.payer().go_through("approve")
    with stopped.running():
        bank = stopped.bank()
        stopped.clock.forward(seconds=20)
        assert bank.call("GET", f"{paying.path}/status").json()["transactionStatus"] == "ACSC"
        assert bank.balances()["everyday"] == "12438.05"
        assert [line["end_to_end_id"] for line in bank.ledger()] == ["E2E-1001"]
