"""What was decided too long ago is not sent to a bank any more: a process may have been frozen since."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from opengiro.domain.attempt import INITIATING_MAX
from opengiro.domain.banks import BankTrouble, Moved, Reply
from opengiro.usecases.prompt_line import FRESH_S, PromptLine


class Bank:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.heard = 0

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        self.heard += 1
        return Reply(200, {}, b"")


async def test_a_fresh_decision_is_sent_and_an_old_one_is_not() -> None:
    bank, seconds = Bank(), [100.0]
    line = PromptLine(bank, lambda: seconds[0])
    seconds[0] += FRESH_S - 1
    await line.send("POST", "https://bank.test/payments", {})
    seconds[0] += 1
    with pytest.raises(BankTrouble) as late:
        await line.send("POST", "https://bank.test/payments", {})
    assert (late.value.money, bank.heard) == (Moved.NOT_SENT, 1)


def test_it_ends_before_others_take_the_caller_for_lost() -> None:
    assert INITIATING_MAX.total_seconds() > FRESH_S
