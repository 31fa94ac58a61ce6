"""Each bank that is not the friendly one, told by its habit."""

import uuid
from typing import Any

import httpx2
import pytest

from tests.sandbox.tpp import TPP, TPP_HEADERS, Bank, Payer, Sandbox, order, products_path


def test_the_decoupled_bank_waits_for_its_phone_app(sandbox: Sandbox) -> None:
    bank = sandbox.bank("mercure")
    answer = bank.post_payment("instant", {"TPP-Redirect-URI": None, "TPP-Nok-Redirect-URI": None})
    assert answer.headers["aspsp-sca-approach"] == "DECOUPLED"
    assert "app" in answer.json()["psuMessage"]
    assert "scaRedirect" not in answer.json()["_links"]


def on_phone(bank: Bank, decision: str, **fields: str) -> str:
    page = bank.http.get(f"{bank.url}/phone").text
    waiting = page.split('name="authorisation" value="')[1].split('"')[0]
    answer = bank.http.post(f"{bank.url}/phone", data={"authorisation": waiting, "decision": decision} | fields)
    return str(bank.http.get(answer.headers["location"]).text)


@pytest.mark.parametrize(
    ("decision", "sca", "status"), [("approve", "finalised", "ACSC"), ("refuse", "failed", "RJCT")]
)
def test_the_phone_app_answers_for_the_payer(sandbox: Sandbox, decision: str, sca: str, status: str) -> None:
    bank = sandbox.bank("mercure")
    paying = bank.pay("instant")
    page = on_phone(bank, decision)
    assert "Nothing waits for you." in page
    assert (paying.sca(), paying.status()) == (sca, status)


def test_the_phone_app_pays_from_the_account_picked_there(sandbox: Sandbox) -> None:
    bank = sandbox.bank("mercure")
    paying = bank.pay("instant")
    assert "Insufficient funds" in on_phone(bank, "approve", account=bank.ibans()["nearly_empty"])
    assert "AM04" in paying.said()["psuMessage"]


def test_a_phone_nobody_touches_approves_after_twelve_seconds(sandbox: Sandbox) -> None:
    bank = sandbox.bank("mercure")
    paying = bank.pay("instant")
    sandbox.clock.forward(seconds=11)
    assert paying.sca() == "received"
    sandbox.clock.forward(seconds=1)
    assert (paying.sca(), paying.status()) == ("finalised", "ACSC")
    sandbox.clock.forward(days=2)
    assert bank.balances()["everyday"] == "12438.05"


def test_an_opened_phone_waits_for_a_person(sandbox: Sandbox) -> None:
    bank = sandbox.bank("mercure")
    paying = bank.pay("instant")
    bank.http.get(f"{bank.url}/phone")
    sandbox.clock.forward(minutes=14)
    assert paying.sca() == "started"
    sandbox.clock.forward(minutes=1)
    assert (paying.sca(), paying.status()) == ("failed", "RJCT")


def test_the_misty_bank_never_tells_the_end(sandbox: Sandbox) -> None:
    paying = sandbox.bank("brume").pay("instant")
    paying.payer().go_through("approve")
    sandbox.clock.forward(days=30)
    assert paying.status() == "ACSP"


def test_the_stormy_bank_answers_nothing_but_unavailable(sandbox: Sandbox) -> None:
    bank = sandbox.bank("orage")
    answer = bank.post_payment("instant")
    assert answer.status_code == 503
    assert answer.json()["tppMessages"][0]["code"] == "SERVICE_UNAVAILABLE"
    assert bank.ledger() == []


def test_the_health_of_a_bank_can_be_set_and_is_listed(sandbox: Sandbox) -> None:
    def set_health(code: str, health: str) -> int:
        return sandbox.http.post(
            f"{sandbox.base_url}/control/health", json={"code": code, "health": health}
        ).status_code

    assert set_health("orage", "healthy") == 200
    assert set_health("horizon", "down") == 200
    assert set_health("horizon", "unwell") == 400
    assert sandbox.bank("orage").post_payment("instant").status_code == 201
    assert sandbox.bank("horizon").post_payment("instant").status_code == 503
    listed = {bank["code"]: bank for bank in sandbox.http.get(f"{sandbox.base_url}/banks").json()}
    assert (listed["orage"]["health"], listed["horizon"]["health"]) == ("healthy", "down")


def test_the_german_bank_needs_the_payers_iban_and_then_offers_no_other(sandbox: Sandbox) -> None:
    bank = sandbox.bank("nordlicht")
    refused = bank.post_payment("sct")
    assert (refused.status_code, refused.json()["tppMessages"][0]["path"]) == (400, "debtorAccount.iban")
    iban = bank.ibans()["nearly_empty"]
    paying = bank.pay("sct", debtorAccount={"iban": iban})
    payer = paying.payer()
    payer.log_in()
    page = payer.get("/account").text
    assert page.count('name="account"') == 1
    assert payer.choose("everyday").status_code == 422
    assert payer.choose("nearly_empty").status_code == 303


def test_an_account_of_another_bank_is_unknown(horizon: Bank) -> None:
    answer = horizon.post_payment(debtorAccount={"iban": "DE77200995000142961871"})
    assert (answer.status_code, answer.json()["tppMessages"][0]["code"]) == (400, "RESOURCE_UNKNOWN")


def test_any_iban_with_the_banks_code_is_an_account_of_it(sandbox: Sandbox) -> None:
    paying = sandbox.bank("nordlicht").pay("instant", debtorAccount={"iban": "DE53200995000000000017"})
    payer = paying.payer()
    payer.log_in()
    payer.post("/account", account="DE53200995000000000017")
    assert payer.decide("approve").headers["location"] == TPP
    assert paying.status() == "ACSC"


def test_the_belgian_bank_gives_relative_links_that_work(sandbox: Sandbox) -> None:
    bank = sandbox.bank("zwin")
    paying = bank.pay("instant")
    assert paying.first["_links"]["scaRedirect"]["href"].startswith("/zwin/")
    paying.payer().go_through("approve")
    assert bank.call("GET", paying.href("status")).json()["transactionStatus"] == "ACSC"


def test_the_dutch_bank_knows_no_instant_payments(sandbox: Sandbox) -> None:
    answer = sandbox.bank("polder").post_payment("instant")
    assert (answer.status_code, answer.json()["tppMessages"][0]["code"]) == (404, "PRODUCT_UNKNOWN")


def test_the_spanish_bank_accepts_the_payment_and_then_keeps_silent(sandbox: Sandbox) -> None:
    bank = sandbox.bank("sol")
    request_id = str(uuid.uuid4())
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.http.post(
            bank.url + products_path("sct"),
            headers=TPP_HEADERS | {"X-Request-ID": request_id},
            json=order(),
            timeout=0.5,
        )
    assert [line["x_request_id"] for line in bank.ledger()] == [request_id]


def test_the_slow_bank_outlasts_an_impatient_tpp(sandbox: Sandbox) -> None:
    bank = sandbox.bank("escargot")
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.http.get(bank.url + products_path("sct"), headers={"X-Request-ID": str(uuid.uuid4())}, timeout=0.5)
    bank.pay("instant")
    assert len(bank.ledger()) == 1


def test_the_italian_bank_waits_until_the_tpp_starts_the_authorisation(sandbox: Sandbox) -> None:
    bank = sandbox.bank("laguna")
    paying = bank.pay("instant")
    assert set(paying.first["_links"]) == {"self", "status", "startAuthorisation"}
    started = bank.call("POST", paying.href("startAuthorisation"), json={})
    body: dict[str, Any] = started.json()
    assert started.status_code == 201
    listed = bank.call("GET", paying.href("startAuthorisation")).json()
    assert listed == {"authorisationIds": [body["authorisationId"]]}
    assert Payer(bank, body["_links"]["scaRedirect"]["href"]).go_through("approve") == TPP
    assert paying.status() == "ACSC"
    assert bank.call("GET", body["_links"]["scaStatus"]["href"]).json() == {"scaStatus": "finalised"}
    assert bank.call("POST", paying.href("startAuthorisation"), json={}).status_code == 409


def test_an_authorisation_started_later_gives_the_payment_more_time(sandbox: Sandbox) -> None:
    bank = sandbox.bank("laguna")
    paying = bank.pay("instant")
    sandbox.clock.forward(minutes=14)
    link = bank.call("POST", paying.href("startAuthorisation")).json()["_links"]["scaRedirect"]["href"]
    sandbox.clock.forward(minutes=14)
    assert Payer(bank, link).go_through("approve") == TPP


def test_the_list_of_banks_says_what_a_directory_needs(sandbox: Sandbox) -> None:
    listed = {bank["code"]: bank for bank in sandbox.http.get(f"{sandbox.base_url}/banks").json()}
    assert len(listed) == 10
    assert listed["horizon"]["base_url"] == f"{sandbox.base_url}/horizon"
    assert listed["mercure"]["approach"] == "DECOUPLED"
    assert listed["nordlicht"]["debtor_iban"] == "required"
    assert listed["polder"]["payment_products"] == ["sepa-credit-transfers"]
    assert listed["brume"]["final_status"] is False
    for code, bank in listed.items():
        ibans = sandbox.bank(code).ibans().values()
        assert all(iban.startswith(tuple(bank["iban_prefixes"])) for iban in ibans)


def test_a_degraded_bank_outlasts_an_impatient_tpp(sandbox: Sandbox) -> None:
    sandbox.http.post(f"{sandbox.base_url}/control/health", json={"code": "horizon", "health": "degraded"})
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.http.get(
            sandbox.bank().url + products_path("sct"), headers={"X-Request-ID": str(uuid.uuid4())}, timeout=0.5
        )
