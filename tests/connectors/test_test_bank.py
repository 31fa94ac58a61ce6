"""The wire's test bank: every documented scenario, told as its payer and its clock live it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from opengiro.connectors.test_bank import CONNECTOR
from opengiro.domain.banks import AskFields, BankTrouble, Cancelled, Decoupled, Errand, Heard, Line, Moved, Redirect
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Execution, Reason
from tests.connectors.conformance import Conformance, Stage
from tests.connectors.errands import TICKET, after, errand, order

APPROVED = {"state": TICKET, "authFactorValue": "AUTHENTICATION_VALIDATED"}
SETTLED = (Trigger.BANK_SETTLED, None)
PENDING = (Trigger.BANK_ACCEPTED, None)


def rejected(reason: Reason) -> tuple[Trigger, Reason]:
    return Trigger.BANK_REJECTED, reason


def labelled(label: str, execution: Execution = Execution.FIRST_OPEN_DAY) -> Errand:
    return errand(order(label=label, execution=execution), connector="test_bank")


def scene(use_case: str) -> Errand:
    return errand(connector="test_bank", fields={"use_case_pay": use_case})


def verdict(heard: Heard) -> tuple[Trigger | None, Reason | None]:
    return heard.trigger, heard.reason


async def start(line: Line, begun: Errand) -> tuple[Errand, Heard]:
    heard = await CONNECTOR.initiate(line, begun)
    return after(begun, heard), heard


async def later(line: Line, waiting: Errand, **passed: int) -> Heard:
    return await CONNECTOR.observe(line, replace(waiting, now=waiting.now + timedelta(**passed)))


async def answer(line: Line, waiting: Errand, **answers: str) -> tuple[Errand, Heard]:
    assert CONNECTOR.answer
    heard = await CONNECTOR.answer(line, waiting, answers)
    return after(waiting, heard), heard


def back(waiting: Errand) -> Errand:
    assert CONNECTOR.returned
    return CONNECTOR.returned(waiting, APPROVED)


@pytest.mark.parametrize(
    ("label", "end"),
    [
        ("Order 42", SETTLED),
        ("done - rent", SETTLED),
        ("DONE", SETTLED),
        ("", SETTLED),
        ("canc", rejected(Reason.CANCELLED_BY_PAYER)),
        ("rjct - x", rejected(Reason.NOT_SPECIFIED)),
        ("err", rejected(Reason.INVALID_AMOUNT)),
        ("rent - rjct", SETTLED),
        ("a/b/c/rjct", SETTLED),
        ("done/rjct", SETTLED),
    ],
)
async def test_a_label_without_phases_ends_at_once(line: Line, label: str, end: tuple[Trigger, Reason | None]) -> None:
    _, heard = await start(line, labelled(label))
    assert verdict(heard) == end
    assert heard.action is None


async def test_a_bug_fails_the_initiation(line: Line) -> None:
    with pytest.raises(BankTrouble) as caught:
        await start(line, labelled("bug - x"))
    assert (caught.value.money, caught.value.reason) == (Moved.REFUSED, Reason.BUG)


@pytest.mark.parametrize(
    ("execution", "phase_s"), [(Execution.FIRST_OPEN_DAY, 900), (Execution.DEFERRED, 900), (Execution.INSTANT, 15)]
)
@pytest.mark.parametrize(
    ("label", "phases", "end"),
    [
        ("pdng - rent", 1, SETTLED),
        ("pdng/pdng/done - rent", 2, SETTLED),
        ("pdng/pdng/pdng - rent", 3, SETTLED),
        ("pdng/rjct", 1, rejected(Reason.NOT_SPECIFIED)),
        ("pdng/pdng/canc", 2, rejected(Reason.CANCELLED_BY_PAYER)),
        ("pdng/err", 1, rejected(Reason.INVALID_AMOUNT)),
        ("pdng/bug", 1, rejected(Reason.BUG)),
        (" Pdng / done - rent", 1, SETTLED),
    ],
)
async def test_every_phase_is_pending_and_then_the_end_applies(
    line: Line,
    execution: Execution,
    phase_s: int,
    label: str,
    phases: int,
    end: tuple[Trigger, Reason | None],
) -> None:
    waiting, first = await start(line, labelled(label, execution))
    assert (verdict(first), first.ask_in) == (PENDING, timedelta(seconds=phase_s))
    last = await later(line, waiting, seconds=phases * phase_s - 1)
    assert (verdict(last), last.ask_in) == (PENDING, timedelta(seconds=1))
    assert verdict(await later(line, waiting, seconds=phases * phase_s)) == end
    assert verdict(await later(line, waiting, days=400)) == end


async def test_a_redirect_leads_to_this_server_with_the_attempts_ticket(line: Line) -> None:
    _, first = await start(line, scene("redirect"))
    assert first.action == Redirect(
        f"https://pay.example/2.0/webauth/callback?state={TICKET}&authFactorValue=AUTHENTICATION_VALIDATED"
    )


async def test_an_approved_redirect_waits_for_the_merchant_and_then_settles(line: Line) -> None:
    assert CONNECTOR.confirm
    waiting, _ = await start(line, scene("redirect"))
    returned = back(waiting)
    heard = await later(line, returned, seconds=5)
    assert (heard.awaits_us, heard.trigger, heard.action) == (True, None, None)
    confirmed = await CONNECTOR.confirm(line, after(returned, heard), True)
    assert verdict(confirmed) == SETTLED
    assert verdict(await later(line, after(returned, confirmed), days=1)) == SETTLED


async def test_a_refused_confirmation_rejects(line: Line) -> None:
    assert CONNECTOR.confirm
    waiting, _ = await start(line, scene("redirect"))
    refused = await CONNECTOR.confirm(line, back(waiting), False)
    assert verdict(refused) == (Trigger.CONFIRMATION_REFUSED, Reason.CONFIRMATION_REFUSED)
    changed_mind = await CONNECTOR.confirm(line, after(waiting, refused), True)
    assert verdict(changed_mind) == verdict(refused)


async def test_a_confirmation_before_the_payer_approved_changes_nothing(line: Line) -> None:
    assert CONNECTOR.confirm
    waiting, first = await start(line, scene("redirect"))
    early = await CONNECTOR.confirm(line, waiting, True)
    assert early == first


async def test_a_redirect_without_confirmation_settles_on_return(line: Line) -> None:
    waiting, _ = await start(line, scene("redirect_no_confirmation"))
    heard = await later(line, back(waiting), seconds=1)
    assert (verdict(heard), heard.awaits_us) == (SETTLED, False)


@pytest.mark.parametrize(
    ("use_case", "seconds", "end"),
    [
        ("decoupled", 10, SETTLED),
        ("decoupled_cancelled", 10, rejected(Reason.CANCELLED_BY_PAYER)),
        ("decoupled_expired", 20, rejected(Reason.AUTHENTICATION_FAILED)),
        ("decoupled_expiration", 20, rejected(Reason.AUTHENTICATION_FAILED)),
    ],
)
async def test_a_phone_is_waited_for_and_then_answers(
    line: Line, use_case: str, seconds: int, end: tuple[Trigger, Reason | None]
) -> None:
    waiting, first = await start(line, scene(use_case))
    assert isinstance(first.action, Decoupled)
    assert first.action.message
    assert first.ask_in == timedelta(seconds=seconds)
    assert (await later(line, waiting, seconds=seconds - 1)).action == first.action
    heard = await later(line, waiting, seconds=seconds)
    assert (verdict(heard), heard.action) == (end, None)


@pytest.mark.parametrize(
    ("use_case", "name", "value", "end"),
    [
        ("otp_sms", "openapisms", "1234", SETTLED),
        ("otp_sms", "openapisms", "4321", rejected(Reason.AUTHENTICATION_FAILED)),
        ("otp_plus_decoupled", "openapisms", "4321", rejected(Reason.AUTHENTICATION_FAILED)),
        ("account_choice", "account_id", "main", SETTLED),
        ("account_choice", "account_id", "snd", rejected(Reason.INVALID_EMITTER)),
    ],
)
async def test_the_payers_answer_decides(
    line: Line, use_case: str, name: str, value: str, end: tuple[Trigger, Reason | None]
) -> None:
    waiting, first = await start(line, scene(use_case))
    assert isinstance(first.action, AskFields)
    assert [field.name for field in first.action.fields] == [name]
    later_on, heard = await answer(line, waiting, **{name: value})
    assert verdict(heard) == end
    assert verdict(await later(line, later_on, days=1)) == end


async def test_the_accounts_to_choose_from_are_listed(line: Line) -> None:
    _, first = await start(line, scene("account_choice"))
    assert isinstance(first.action, AskFields)
    assert [value for value, _ in first.action.fields[0].choices] == ["main", "snd"]


async def test_a_code_and_a_phone_are_asked_for_one_after_the_other(line: Line) -> None:
    waiting, _ = await start(line, scene("otp_plus_decoupled"))
    long_after = replace(waiting, now=waiting.now + timedelta(minutes=3))
    coded, heard = await answer(line, long_after, openapisms="1234")
    assert (isinstance(heard.action, Decoupled), heard.trigger) == (True, None)
    assert (await later(line, coded, seconds=9)).trigger is None
    assert verdict(await later(line, coded, seconds=10)) == SETTLED


@pytest.mark.parametrize("answers", [{}, {"openapisms": ""}, {"other": "1234"}])
async def test_no_answer_is_asked_for_again(line: Line, answers: dict[str, str]) -> None:
    waiting, first = await start(line, scene("otp_sms"))
    _, heard = await answer(line, waiting, **answers)
    assert heard == first


async def test_a_second_answer_cannot_mend_the_first(line: Line) -> None:
    waiting, _ = await start(line, scene("otp_sms"))
    wrong, _ = await answer(line, waiting, openapisms="0000")
    _, heard = await answer(line, wrong, openapisms="1234")
    assert verdict(heard) == rejected(Reason.AUTHENTICATION_FAILED)


async def test_an_unknown_scenario_is_refused(line: Line) -> None:
    with pytest.raises(BankTrouble) as caught:
        await start(line, scene("teleport"))
    assert (caught.value.money, caught.value.reason) == (Moved.REFUSED, Reason.INVALID_VALUE)


def test_every_documented_scenario_is_offered_to_merchants() -> None:
    (use_case,) = CONNECTOR.payment_fields
    assert (use_case.name, use_case.required) == ("use_case_pay", False)
    assert [value for value, _ in use_case.choices] == [
        "legacy",
        "redirect",
        "decoupled",
        "decoupled_cancelled",
        "decoupled_expired",
        "otp_sms",
        "otp_plus_decoupled",
        "account_choice",
        "redirect_no_confirmation",
    ]


@pytest.mark.parametrize(
    ("begun", "outcome"),
    [
        (labelled("pdng - x"), Cancelled.AT_ONCE),
        (labelled("pdng - x", Execution.DEFERRED), Cancelled.AT_ONCE),
        (labelled("pdng - x", Execution.INSTANT), Cancelled.REFUSED),
        (labelled("done - x"), Cancelled.REFUSED),
        (scene("redirect"), Cancelled.AT_ONCE),
        (scene("decoupled"), Cancelled.AT_ONCE),
    ],
)
async def test_only_what_has_not_been_executed_can_be_cancelled(line: Line, begun: Errand, outcome: Cancelled) -> None:
    assert CONNECTOR.cancel
    waiting, _ = await start(line, begun)
    assert (await CONNECTOR.cancel(line, waiting)).outcome is outcome


class TestBankStage(Stage):
    """The test bank, which needs no line."""

    __test__ = False
    connector = CONNECTOR

    def __init__(self, line: Line) -> None:
        self.line = line

    def fresh(self) -> Errand:
        return scene("redirect")

    async def says(self, status: str) -> Errand:
        return await self._stories[status](self)

    async def _labelled(self, label: str, **passed: int) -> Errand:
        begun = labelled(label)
        heard = await CONNECTOR.initiate(self.line, begun)
        return after(begun, heard, **passed)

    async def _confirmed(self, yes: bool) -> Errand:
        assert CONNECTOR.confirm
        returned = back(await self.waiting())
        return after(returned, await CONNECTOR.confirm(self.line, returned, yes))

    async def _answered(self, use_case: str, **answers: str) -> Errand:
        waiting, _ = await start(self.line, scene(use_case))
        return (await answer(self.line, waiting, **answers))[0]

    async def _back(self) -> Errand:
        return back(await self.waiting())

    _stories: Mapping[str, Callable[["TestBankStage"], Awaitable[Errand]]] = {
        "waiting": Stage.waiting,
        "approved": _back,
        "pdng": lambda self: self._labelled("pdng"),
        "done": lambda self: self._confirmed(True),
        "canc": lambda self: self._labelled("canc"),
        "rjct": lambda self: self._labelled("rjct"),
        "err": lambda self: self._labelled("err"),
        "bug": lambda self: self._labelled("pdng/bug", minutes=15),
        "unapproved": lambda self: self._answered("otp_sms", openapisms="0"),
        "emitter": lambda self: self._answered("account_choice", account_id="snd"),
        "refused": lambda self: self._confirmed(False),
    }

    @property
    def plays(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"returned": self._return, "answer": self._answer, "confirm": self._confirm, "cancel": self._cancel}

    async def _return(self) -> None:
        assert (await CONNECTOR.observe(self.line, await self._back())).awaits_us

    async def _answer(self) -> None:
        answered = await self._answered("otp_sms", openapisms="1234")
        assert (await CONNECTOR.observe(self.line, answered)).trigger is Trigger.BANK_SETTLED

    async def _confirm(self) -> None:
        confirmed = await CONNECTOR.observe(self.line, await self._confirmed(True))
        assert confirmed.trigger is Trigger.BANK_SETTLED

    async def _cancel(self) -> None:
        assert CONNECTOR.cancel
        answer = await CONNECTOR.cancel(self.line, await self._labelled("pdng"))
        assert answer.outcome is Cancelled.AT_ONCE


class TestConformance(Conformance):
    """The suite every connector passes."""

    @pytest.fixture
    def stage(self, line: Line) -> Stage:
        return TestBankStage(line)
