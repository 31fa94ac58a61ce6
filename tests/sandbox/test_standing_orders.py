"""Standing orders at the sandbox banks: taken once, executed by the bank itself on its own clock, stopped on demand."""

from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from opengiro_sandbox.banks import BY_CODE
from opengiro_sandbox.standing import Standing, due_dates, executes_at, is_open
from tests.sandbox.test_strictness import complaint
from tests.sandbox.tpp import TPP_HEADERS, Bank, Paying, Sandbox, order, products_path

PARIS = ZoneInfo("Europe/Paris")
MONTHLY = {"startDate": "2026-11-30", "frequency": "Monthly", "dayOfExecution": "31", "executionRule": "following"}


def forward_to(sandbox: Sandbox, day: str, hour: int = 12) -> None:
    sandbox.clock.at = datetime.fromisoformat(day).replace(hour=hour, tzinfo=PARIS)


def approved(bank: Bank, **dates: object) -> Paying:
    paying = bank.stand(**MONTHLY | dates)
    paying.payer().go_through("approve")
    return paying


def test_a_standing_order_is_executed_on_each_of_its_dates(sandbox: Sandbox, horizon: Bank) -> None:
    before = horizon.balances()["everyday"]
    paying = approved(horizon, endDate="2027-02-28")
    assert (paying.status(), horizon.balances()["everyday"], horizon.executions()) == ("ACTC", before, [])
    forward_to(sandbox, "2026-11-30", 5)
    assert horizon.executions() == []
    forward_to(sandbox, "2026-11-30", 6)
    assert horizon.executions() == [("2026-11-30", "")]
    forward_to(sandbox, "2027-03-01")
    assert horizon.executions() == [(day, "") for day in ("2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28")]
    assert paying.status() == "ACSC"
    assert horizon.ledger()[0]["debited"] == "170.00"


def test_dates_on_closed_days_are_executed_on_the_next_open_one(sandbox: Sandbox, horizon: Bank) -> None:
    approved(horizon, startDate="2027-03-26", dayOfExecution="26")  # Good Friday
    forward_to(sandbox, "2027-03-29")  # Easter Monday
    assert horizon.executions() == []
    forward_to(sandbox, "2027-03-30")
    line = horizon.ledger()[0]["standing"]
    assert [(one["due"], one["at"][:10]) for one in line["executions"]] == [("2027-03-26", "2027-03-30")]


def test_a_bank_that_was_left_alone_for_months_catches_up_once(sandbox: Sandbox, horizon: Bank) -> None:
    paying = approved(horizon)
    forward_to(sandbox, "2027-06-01")
    assert len(horizon.executions()) == 7
    assert (len(horizon.executions()), paying.status()) == (7, "ACTC")


def test_a_restart_forgets_no_date(stopped: Sandbox) -> None:
    with stopped.running() as sandbox:
        approved(sandbox.bank())
        forward_to(sandbox, "2026-12-01")
        assert len(sandbox.bank().executions()) == 1
    with stopped.running() as sandbox:
        forward_to(sandbox, "2027-01-01")
        assert [due for due, _ in sandbox.bank().executions()] == ["2026-11-30", "2026-12-31"]


def test_a_date_without_funds_ends_the_order_where_ends_are_told(sandbox: Sandbox, horizon: Bank) -> None:
    paying = approved(horizon, instructedAmount={"currency": "EUR", "amount": "9000.00"})
    forward_to(sandbox, "2027-06-01")
    assert horizon.executions() == [("2026-11-30", ""), ("2026-12-31", "AM04")]
    said = paying.said()
    assert (said["transactionStatus"], "AM04" in said["psuMessage"]) == ("RJCT", True)


def test_a_date_without_funds_is_passed_over_where_nothing_is_told(sandbox: Sandbox) -> None:
    brume = sandbox.bank("brume")
    paying = approved(brume, instructedAmount={"currency": "EUR", "amount": "9000.00"})
    forward_to(sandbox, "2027-02-01")
    assert [reason for _, reason in brume.executions()] == ["", "AM04", "AM04"]
    assert paying.status() == "ACTC"


def test_the_payer_approves_that_an_order_is_stopped(sandbox: Sandbox, horizon: Bank) -> None:
    paying = approved(horizon)
    forward_to(sandbox, "2026-12-01")
    asked = paying.delete()
    assert (asked.status_code, paying.status()) == (202, "ACTC")
    begun = horizon.call("POST", asked.json()["_links"]["startAuthorisation"]["href"], headers=TPP_HEADERS, json={})
    Paying(horizon, "periodic", paying.first | begun.json()).payer().go_through("approve")
    assert paying.status() == "CANC"
    forward_to(sandbox, "2027-06-01")
    assert horizon.executions() == [("2026-11-30", "")]
    assert horizon.ledger()[0]["debited"] == "42.50"


def test_some_banks_stop_an_order_at_once(sandbox: Sandbox) -> None:
    zwin = sandbox.bank("zwin")
    paying = approved(zwin)
    assert (paying.delete().status_code, paying.status()) == (204, "CANC")
    forward_to(sandbox, "2027-06-01")
    assert zwin.executions() == []


def test_an_order_that_is_over_cannot_be_stopped(sandbox: Sandbox, horizon: Bank) -> None:
    paying = approved(horizon, endDate="2026-12-01")
    forward_to(sandbox, "2026-12-01")
    assert complaint(paying.delete())[:2] == (405, "CANCELLATION_INVALID")


def test_an_order_is_found_under_its_own_service_only(horizon: Bank) -> None:
    paying = horizon.stand(**MONTHLY)
    shown = horizon.call("GET", paying.path).json()
    assert {name: shown[name] for name in MONTHLY} == MONTHLY
    assert horizon.call("GET", paying.path.replace("periodic-payments", "payments")).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"startDate": None}, "startDate"),
        ({"startDate": "2026-11-01"}, "startDate"),
        ({"frequency": None}, "frequency"),
        ({"frequency": "Hourly"}, "frequency"),
        ({"frequency": "MonthlyVariable"}, "monthsOfExecution"),
        ({"monthsOfExecution": ["1"]}, "monthsOfExecution"),
        ({"frequency": "MonthlyVariable", "monthsOfExecution": ["13"]}, "monthsOfExecution"),
        ({"dayOfExecution": "07"}, "dayOfExecution"),
        ({"executionRule": "nearest"}, "executionRule"),
        ({"endDate": "2026-11-29"}, "endDate"),
        ({"endDate": "2126-11-29"}, "endDate"),
        ({"requestedExecutionDate": "2026-11-29"}, "requestedExecutionDate"),
    ],
)
def test_an_order_with_bad_dates_is_refused(horizon: Bank, change: dict[str, object], field: str) -> None:
    body = order(**MONTHLY | change)
    answer = horizon.call("POST", products_path("periodic"), headers=TPP_HEADERS, json=body)
    assert (answer.status_code, complaint(answer)[2]) == (400, field)


def test_a_bank_without_standing_orders_says_so(sandbox: Sandbox) -> None:
    polder = sandbox.bank("polder")
    answer = polder.call("POST", products_path("periodic"), headers=TPP_HEADERS, json=order(**MONTHLY))
    assert complaint(answer)[:2] == (405, "SERVICE_INVALID")


def test_the_months_of_a_variable_order_are_the_ones_listed() -> None:
    standing = Standing(frequency="MonthlyVariable", start=date(2026, 10, 31), day=31, months=(2, 6, 10))
    assert [day.isoformat() for day in islice(due_dates(standing), 4)] == [
        "2026-10-31",
        "2027-02-28",
        "2027-06-30",
        "2027-10-31",
    ]


def test_a_preceding_order_is_executed_before_the_closed_days() -> None:
    standing = Standing(frequency="Monthly", start=date(2027, 3, 28), rule="preceding")  # Easter Sunday
    assert executes_at(standing.start, standing, BY_CODE["horizon"]).date() == date(2027, 3, 25)


def test_banks_are_closed_on_weekends_and_on_the_days_of_target() -> None:
    closed = [day for turn in range(365) if not is_open(day := date(2027, 1, 1) + timedelta(days=turn))]
    assert [day.isoformat() for day in closed if day.weekday() < 5] == ["2027-01-01", "2027-03-26", "2027-03-29"]
