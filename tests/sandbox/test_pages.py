"""The payer's pages, by plain HTTP: what they show, how they stay calm, what they allow."""

import socket
import threading
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from opengiro_sandbox import build
from tests.sandbox.tpp import TPP, Bank, Clock, Sandbox, order, products_path, serving


def test_the_payer_sees_payee_account_amount_message_and_day_before_approving(horizon: Bank) -> None:
    payer = horizon.pay("sct", requestedExecutionDate="2026-11-20").payer()
    payer.log_in()
    payer.choose()
    page = payer.get("/approve").text
    for shown in (
        "Maison Amarante SAS",
        "FR76 3000 6000 0112 3456 7890 189",
        "€42.50",
        "Order 1001",
        "20 November 2026",
    ):
        assert shown in page
    assert "FR76 4097 3001 1201 4286 7615 736" in page


def test_the_pages_speak_french_to_a_french_browser(horizon: Bank) -> None:
    payer = horizon.pay().payer()
    page = payer.get(lang="de;q=0.9, fr;q=0.8, en;q=0.1")
    assert '<html lang="fr">' in page.text
    assert "Connexion" in page.text


def test_pages_of_a_later_step_lead_back_to_the_login(horizon: Bank) -> None:
    payer = horizon.pay().payer()
    for step in ("/account", "/approve"):
        assert payer.get(step).headers["location"] == payer.link
    payer.log_in()
    assert payer.get("/approve").headers["location"] == f"{payer.link}/account"


def test_a_login_without_a_password_is_asked_again(horizon: Bank) -> None:
    answer = horizon.pay().payer().post(user="someone", password="")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_the_account_page_shows_what_is_left_and_what_is_wrong(horizon: Bank) -> None:
    payer = horizon.pay().payer()
    payer.log_in()
    page = payer.get("/account").text
    for shown in ("€12,480.55", "€3.42", "Insufficient funds", "€2,150.00", "Blocked"):
        assert shown in page


def test_a_wrong_code_is_asked_again_and_approves_nothing(horizon: Bank) -> None:
    paying = horizon.pay()
    payer = paying.payer()
    payer.log_in()
    payer.choose()
    assert payer.post("/approve", decision="approve", code="nonsense").status_code == 422
    assert (paying.status(), paying.sca()) == ("RCVD", "started")


def test_reloading_or_going_back_after_the_answer_is_calm(horizon: Bank) -> None:
    payer = horizon.pay().payer()
    payer.go_through("approve")
    for step in ("", "/account", "/approve"):
        page = payer.get(step)
        assert page.status_code == 200
        assert "You approved this request" in page.text
        assert f'href="{TPP}"' in page.text
    assert payer.log_in().status_code == 200


def test_a_link_that_never_was_is_a_calm_page(horizon: Bank) -> None:
    answer = horizon.http.get(f"{horizon.url}/authorise/unknown")
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_a_link_opens_nothing_at_another_bank(horizon: Bank) -> None:
    link = horizon.pay().href("scaRedirect").replace("/horizon/", "/brume/")
    assert horizon.http.get(link).status_code == 404


def test_the_pages_forbid_inline_scripts_and_foreign_content(horizon: Bank) -> None:
    page = horizon.pay().payer().get()
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"


def test_what_a_tpp_writes_cannot_become_markup(horizon: Bank) -> None:
    paying = horizon.pay(headers={"TPP-Nok-Redirect-URI": 'https://tpp.example/"><script>alert(1)</script>'})
    payer = paying.payer()
    payer.go_through("refuse")
    assert "<script" not in payer.get().text


def test_two_browsers_that_approve_at_once_pay_once(horizon: Bank) -> None:
    payer = horizon.pay().payer()
    payer.log_in()
    payer.choose()
    answers: list[Any] = []
    clicks = [threading.Thread(target=lambda: answers.append(payer.decide("approve"))) for _ in range(8)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert {answer.headers["location"] for answer in answers} == {TPP}
    assert horizon.balances()["everyday"] == "12438.05"


def test_a_phone_of_a_bank_without_one_is_not_found(horizon: Bank) -> None:
    assert horizon.http.get(f"{horizon.url}/phone").status_code == 404


@pytest.mark.parametrize("path", ["theme.css", "logo.svg", "../static/bank.css", "../static/phone.js"])
def test_the_files_of_a_page_are_served(horizon: Bank, path: str) -> None:
    assert horizon.http.get(f"{horizon.url}/{path}").status_code == 200


@pytest.mark.parametrize("path", ["nobank/ledger", "nobank/phone", "static/schema.sql", "control/time"])
def test_what_is_not_there_is_not_found(sandbox: Sandbox, path: str) -> None:
    assert sandbox.http.get(f"{sandbox.base_url}/{path}").status_code == 404


def test_mounted_under_a_path_all_links_carry_it(stopped: Sandbox) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/sandbox"
    app = Starlette(routes=[Mount("/sandbox", build(stopped.data, base_url, Clock()))])
    with serving(app, listening):
        bank = Bank(base_url, "zwin", stopped.http, stopped.judge)
        paying = bank.pay()
        assert paying.first["_links"]["self"]["href"].startswith("/sandbox/zwin/v1" + products_path("instant")[3:])
        paying.payer().go_through("approve")
        assert bank.call("GET", paying.href("status")).json()["transactionStatus"] == "ACSC"
        assert order()["creditorName"] in str(bank.ledger())


def test_alone_the_banks_have_a_clock_that_can_be_moved_and_stays_moved(stopped: Sandbox) -> None:
    with stopped.running(alone=True):
        paying = stopped.bank().pay("sct")
        paying.payer().go_through("approve")
        moved = stopped.http.post(f"{stopped.base_url}/control/time", json={"advance_s": 86_400}).json()["now"]
        assert paying.status() == "ACSC"
        assert stopped.http.post(f"{stopped.base_url}/control/time", json={"later": 1}).status_code == 400
    with stopped.running(alone=True):
        assert stopped.http.get(f"{stopped.base_url}/control/time").json()["now"] > moved
        stopped.http.post(f"{stopped.base_url}/control/time", json={"reset": True})
        assert stopped.http.get(f"{stopped.base_url}/control/time").json()["now"] < moved
