"""The wire's own test bank: plays every documented scenario on the movable clock, without any network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from opengiro.connectors.test_bank.heard import HEARD, WAITING
from opengiro.connectors.test_bank.scenes import SCENES, VALIDATED, Memory, play, recall
from opengiro.domain.banks import (
    AskFields,
    BankTrouble,
    Cancellation,
    Cancelled,
    Connector,
    Errand,
    Field,
    Heard,
    Line,
    Moved,
)
from opengiro.domain.payment import Execution


async def _initiate(_: Line, errand: Errand) -> Heard:
    heard = play(errand, recall(errand))
    if heard.said == "bug":
        raise BankTrouble("bug", permanent=True, money=Moved.REFUSED, reason=heard.reason)
    return heard


async def _observe(_: Line, errand: Errand) -> Heard:
    return play(errand, recall(errand))


def _returned(errand: Errand, query: Mapping[str, str]) -> Errand:
    if query.get("authFactorValue") != VALIDATED:
        return errand
    return _remember(errand, msgspec.structs.replace(recall(errand), approved=True))


async def _answer(_: Line, errand: Errand, answers: Mapping[str, str]) -> Heard:
    memory = recall(errand)
    asked = play(errand, memory).action
    if isinstance(asked, AskFields):
        given = {field.name: answers[field.name] for field in asked.fields if answers.get(field.name)}
        moment = errand.now if given else None
        memory = msgspec.structs.replace(memory, answers=memory.answers | given, answered_at=moment)
    return play(errand, memory)


async def _confirm(_: Line, errand: Errand, yes: bool) -> Heard:  # the slot's own shape
    memory = recall(errand)
    if play(errand, memory).awaits_us:
        memory = msgspec.structs.replace(memory, confirmed=yes)
    return play(errand, memory)


async def _cancel(_: Line, errand: Errand) -> Cancellation:
    # What nobody approved can be withdrawn, what is pending can be stopped unless it is instant.
    word = play(errand, recall(errand)).said
    instant = any(order.execution is Execution.INSTANT for order in errand.orders)
    if word == WAITING or (word == "pdng" and not instant):
        return Cancellation(Cancelled.AT_ONCE, "canc")
    return Cancellation(Cancelled.REFUSED, word)


def _remember(errand: Errand, memory: Memory) -> Errand:
    return replace(errand, memory=msgspec.json.encode(memory).decode())


CONNECTOR = Connector(
    name="test_bank",
    initiate=_initiate,
    observe=_observe,
    heard=HEARD,
    returned=_returned,
    answer=_answer,
    confirm=_confirm,
    cancel=_cancel,
    payment_fields=(
        Field(
            "use_case_pay",
            "Scenario to play",
            required=False,
            choices=tuple((scene, scene.replace("_", " ")) for scene in SCENES),
        ),
    ),
)
