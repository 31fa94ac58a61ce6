"""What every connector must do, whatever it speaks. A connector's tests inherit the suite and give it a stage.

A stage is the connector, brought by any means to where a test wants it. A connector without a network of its own
inherits `Conformance`, one that sends requests `NetworkConformance`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

import pytest

from opengiro.connectors import HttpLine
from opengiro.domain.banks import BankTrouble, Connector, Errand, Line, Moved, Reply
from tests.connectors.errands import PAYEE, TICKET, after
from tests.connectors.official import JudgedLine
from tests.connectors.scripted_bank import Act, ScriptedBank, break_off, hang_up, reset, say, scripted_bank

OPTIONAL = ("returned", "answer", "confirm", "cancel")
FORGED: tuple[Mapping[str, str], ...] = (
    {},
    {"state": TICKET},
    {"status": "ACSC", "transactionStatus": "ACSC", "scaStatus": "finalised"},
    {"authFactorValue": "AUTHENTICATION_REFUSED"},
    {"error": "access_denied"},
)


class Stage(ABC):
    """One connector with something to speak to."""

    connector: Connector
    line: Line

    @abstractmethod
    def fresh(self) -> Errand:
        """An attempt nothing was sent for yet, whose payer will have to approve."""

    @abstractmethod
    async def says(self, status: str) -> Errand:
        """An attempt whose payer has approved and of which the bank now says `status`."""

    @property
    @abstractmethod
    def plays(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """For each optional slot that is filled, a story in which it works."""

    async def waiting(self) -> Errand:
        """An attempt whose payer has not approved yet."""
        errand = self.fresh()
        return after(errand, await self.connector.initiate(self.line, errand))


class Impatient(HttpLine):
    """A line that never waits longer than half a second."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        return await super().send(method, url, headers, body, min(timeout_s, 0.5))


class Conformance:
    """Inherited by the tests of every connector, with a fixture `stage` of their own."""

    async def test_every_documented_status_is_heard(self, stage: Stage) -> None:
        for status, trigger in stage.connector.heard.items():
            heard = await stage.connector.observe(stage.line, await stage.says(status))
            assert (heard.said, heard.trigger, heard.known) == (status, trigger, True)

    async def test_a_payer_who_must_approve_is_told_how_until_approval(self, stage: Stage) -> None:
        errand = stage.fresh()
        first = await stage.connector.initiate(stage.line, errand)
        assert first.action is not None
        assert first.trigger is None
        again = await stage.connector.observe(stage.line, after(errand, first))
        assert (again.action, again.trigger) == (first.action, None)

    async def test_a_forged_return_decides_nothing(self, stage: Stage) -> None:
        errand = await stage.waiting()
        for query in FORGED:
            returned = stage.connector.returned(errand, query) if stage.connector.returned else errand
            heard = await stage.connector.observe(stage.line, returned)
            assert (heard.trigger, heard.awaits_us) == (None, False)

    async def test_a_replayed_return_changes_nothing(self, stage: Stage) -> None:
        once = await stage.says("done" if "done" in stage.connector.heard else "ACSC")
        before = await stage.connector.observe(stage.line, once)
        for query in ({"authFactorValue": "AUTHENTICATION_VALIDATED"}, *FORGED):
            twice = stage.connector.returned(once, query) if stage.connector.returned else once
            assert await stage.connector.observe(stage.line, twice) == before

    @pytest.mark.parametrize("slot", OPTIONAL)
    async def test_a_slot_is_filled_if_and_only_if_it_works(self, stage: Stage, slot: str) -> None:
        assert (getattr(stage.connector, slot) is not None) == (slot in stage.plays)
        if slot in stage.plays:
            await stage.plays[slot]()


class NetworkConformance(Conformance):
    """For connectors that send requests: what the money is known to have done when the network fails them."""

    @pytest.fixture
    async def bank(self) -> AsyncIterator[ScriptedBank]:
        async with scripted_bank() as opened:
            yield opened

    async def initiate(self, stage: Stage, bank: ScriptedBank, line: HttpLine) -> BankTrouble:
        errand = stage.fresh()
        errand = replace(errand, bank=replace(errand.bank, base_url=bank.url))
        with pytest.raises(BankTrouble) as caught:
            await stage.connector.initiate(line, errand)
        return caught.value

    @pytest.mark.parametrize("fault", [hang_up, reset, break_off, say(500), say(502), say(504), say(201, b"?")])
    async def test_trouble_after_sending_leaves_the_money_unknown(
        self, stage: Stage, bank: ScriptedBank, line: HttpLine, fault: Act
    ) -> None:
        bank.will(fault)
        assert (await self.initiate(stage, bank, line)).money is Moved.UNKNOWN
        assert [request.method for request in bank.received] == ["POST"]

    async def test_a_timeout_after_sending_leaves_the_money_unknown(self, stage: Stage, bank: ScriptedBank) -> None:
        async with Impatient() as line:
            assert (await self.initiate(stage, bank, line)).money is Moved.UNKNOWN
        assert [request.method for request in bank.received] == ["POST"]

    async def test_a_bank_that_is_not_there_was_sent_nothing(
        self, stage: Stage, bank: ScriptedBank, line: HttpLine
    ) -> None:
        bank.url = "http://127.0.0.1:1/psd2"
        assert (await self.initiate(stage, bank, line)).money is Moved.NOT_SENT

    @pytest.mark.parametrize("fault", [hang_up, say(404), say(500), say(200, b"?"), say(200, {})])
    async def test_trouble_with_a_question_never_decides_about_the_money(
        self, stage: Stage, bank: ScriptedBank, line: HttpLine, fault: Act
    ) -> None:
        errand = await stage.waiting()
        bank.will(fault)
        with pytest.raises(BankTrouble) as caught:
            await stage.connector.observe(line, replace(errand, bank=replace(errand.bank, base_url=bank.url)))
        assert caught.value.money is Moved.UNKNOWN

    async def test_a_recorded_exchange_holds_no_secret_once_scrubbed(self, stage: Stage) -> None:
        errand = await stage.waiting()
        await stage.connector.observe(stage.line, errand)
        assert isinstance(stage.line, JudgedLine)
        recorded = "\n".join(stage.line.recorded)
        secrets = [PAYEE.identification, TICKET]
        assert [secret for secret in secrets if secret not in recorded] == []
        scrubbed = stage.connector.scrub(recorded)
        assert [secret for secret in secrets if secret in scrubbed] == []
