"""What a Berlin Group bank's words mean: held against the table people read, and against the official file."""

import re
from importlib.resources import files

import pytest

from opengiro.connectors.berlin_group.heard import MEANING, STEPS, Step, meaning, reason_in
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason
from tests.connectors.official import Official


def test_the_table_people_read_is_the_table_in_use() -> None:
    page = files("opengiro.connectors.berlin_group").joinpath("README.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z]{4}) \|(.*)\|$", page, re.MULTILINE)
    read = {status: [cell.strip() for cell in cells.split("|")] for status, cells in rows}
    assert read == {status: [trigger.value if trigger else "–" for trigger in row] for status, row in MEANING.items()}


def test_every_documented_word_is_known(official: Official) -> None:
    assert set(MEANING) == official.words("transactionStatus")
    assert set(STEPS) - {None} == official.words("scaStatus")


@pytest.mark.parametrize("status", MEANING)
@pytest.mark.parametrize("sca", [word for word, step in STEPS.items() if step is Step.WAITING])
def test_nothing_is_accepted_while_the_payer_has_not_approved(status: str, sca: str) -> None:
    assert meaning(status, sca)[0] is not Trigger.BANK_ACCEPTED


@pytest.mark.parametrize("sca", [*STEPS, "somethingNew"])
@pytest.mark.parametrize("status", ["ACTV", "", "acsc", "ACSC "])
def test_an_unlisted_status_changes_nothing_and_is_reported(status: str, sca: str | None) -> None:
    assert meaning(status, sca) == (None, False)


@pytest.mark.parametrize(
    ("status", "trigger"),
    [("ACTC", None), ("ACSP", None), ("ACSC", Trigger.BANK_SETTLED), ("RJCT", Trigger.BANK_REJECTED)],
)
def test_beside_an_unlisted_step_only_final_words_count(status: str, trigger: Trigger | None) -> None:
    assert meaning(status, "somethingNew") == (trigger, trigger is not None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Insufficient funds on the account. (AM04)", Reason.INSUFFICIENT_FUNDS),
        ("AC03", Reason.INVALID_BENEFICIARY),
        ("AC05: closed", Reason.INVALID_EMITTER),
        ("code=AM02;", Reason.INVALID_AMOUNT),
        ("RR04", Reason.REGULATORY),
        ("DT01", Reason.INVALID_DATE),
        ("DS02", Reason.CANCELLED_BY_PAYER),
        ("MS03", Reason.NOT_SPECIFIED),
        ("XAM04X", None),
        ("am04", None),
        ("", None),
    ],
)
def test_a_reason_code_is_found_in_a_text_for_people(text: str, reason: Reason | None) -> None:
    assert reason_in(text) is reason


def test_the_first_text_with_a_code_gives_the_reason() -> None:
    assert reason_in("nothing here", "AM04", "AC01") is Reason.INSUFFICIENT_FUNDS
