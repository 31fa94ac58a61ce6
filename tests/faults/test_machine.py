"""Everybody does anything in any order: merchant, payer, bank, clock, network and the power supply.

After every step the promises are held against the rows, and against the book of a bank that knows nothing of us.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opengiro.domain.attempt import Phase
from opengiro.domain.lifecycle import FINAL, MOVES, State
from opengiro.domain.payment import Execution, Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store.answers import Answer, Receipt
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.cancel_payment import cancel_by_client, cancel_by_payer
from opengiro.usecases.create_payment import create_payment
from opengiro.usecases.register_webhook import RegisterWebhook, register_webhook
from opengiro.usecases.return_from_bank import return_from_bank
from tests.faults.ledger import Fate, Ledger, Stage
from tests.sandbox.tpp import Clock
from tests.usecases.world import CLIENT, OTHER, PHONE, SCRIPTED, World, new_payment, opened

_T = TypeVar("_T")
PICK = st.integers(0, 2**16)
KEYS = st.sampled_from(["key-1", "key-2", "key-3"])


class Shop(RuleBasedStateMachine):
    """A shop, its payers and their banks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.agreed: dict[int, Payment] = {}
        self.answers: dict[str, tuple[bytes, Answer, datetime]] = {}
        self.ended: dict[int, State] = {}
        self.histories: dict[int, list[str]] = {}
        self.world: World

    def run_(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run(work)

    def attempt_(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that may be refused; everything else is a bug."""
        with contextlib.suppress(Refused):
            self.run_(work)

    @initialize()
    def open_shop(self) -> None:
        self.run_(self._open())
        hook = RegisterWebhook(merchant_id=1, dialect="powens", url="http://127.0.0.1:9/", actor="test", auth_id=None)
        self.run_(register_webhook(self.world.core, hook))

    async def _open(self) -> None:
        self.world = await self.stack.enter_async_context(opened(Path(self.folder.name), self.clock))
        connectors = {"scripted": self.ledger.connector()}
        self.world.core = replace(self.world.core, connectors=connectors)

    def teardown(self) -> None:
        self.run_(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    def one(self, pick: int) -> Payment:
        return list(self.agreed.values())[pick % len(self.agreed)]

    @rule(key=KEYS, minor=st.sampled_from([5090, 1]), later=st.booleans())
    def create(self, key: str, minor: int, later: bool) -> None:
        """The merchant creates a payment, or repeats a call with a key it used."""
        execution = Execution.FIRST_OPEN_DAY if later else Execution.INSTANT
        digest = hashlib.sha256(f"{minor} {execution}".encode()).digest()
        made: list[Payment] = []

        def render(payment: Payment) -> Answer:
            made.append(payment)
            return Answer(200, payment.guid.encode())

        call = create_payment(
            self.world.core,
            new_payment(execution, minor=minor),
            render,
            Receipt(1, CLIENT, "POST /payments", key, digest),
        )
        known = self.answers.get(key)
        result = self.run_(outcome(call))
        if isinstance(result, Refusal):
            assert result is Refusal.IDEMPOTENCY_KEY_REUSED
            assert known is not None
            assert known[0] != digest, "I17: only another body is refused"
            return
        if not made or (known is not None and known[:2] == (digest, result)):
            assert known is not None
            assert known[:2] == (digest, result), "I16: one key, one effect, one answer"
            return
        assert known is None or self.forgettable(known[2]), "I16: a key is kept for thirty days"
        self.answers[key] = (digest, result, self.world.core.now(1))
        self.agreed[made[-1].payment_id] = made[-1]

    def forgettable(self, kept_at: datetime) -> bool:
        return self.world.core.now(1) - kept_at >= timedelta(days=30)

    @precondition(lambda self: self.agreed)
    @rule(
        pick=PICK,
        bank=st.sampled_from([SCRIPTED, PHONE, OTHER]),
        fate=st.sampled_from(Fate),
        switch=st.booleans(),
        hosted=st.booleans(),
    )
    def choose(self, pick: int, bank: str, fate: Fate, switch: bool, hosted: bool) -> None:
        """The payer chooses a bank, and the network has its own idea."""
        weather, self.ledger.fate = self.ledger.fate, fate
        self.attempt_(self.world.choose(self.one(pick), bank, switch=switch, keep_open=hosted))
        self.ledger.fate = weather

    @precondition(lambda self: self.agreed)
    @rule(pick=PICK)
    def approve_unheard(self, pick: int) -> None:
        """The bank wakes the payer's phone, its answer to us is lost, and the payer approves."""
        known = len(self.ledger.orders)
        self.choose(pick, PHONE, Fate.ANSWER_LOST, switch=False, hosted=True)
        for order in self.ledger.orders[known:]:
            order.stage = Stage.APPROVED

    @precondition(lambda self: self.agreed)
    @rule(pick=PICK)
    def click_twice(self, pick: int) -> None:
        """The payer is impatient, in two windows, at two banks."""

        async def both() -> None:
            payment = self.one(pick)
            clicks = [self.world.choose(payment, bank, switch=True) for bank in (SCRIPTED, SCRIPTED, OTHER)]
            for result in await asyncio.gather(*clicks, return_exceptions=True):
                assert not isinstance(result, Exception) or isinstance(result, Refused), result

        self.run_(both())

    @precondition(lambda self: self.ledger.approvable())
    @rule(pick=PICK, yes=st.sampled_from([True, True, False]))
    def decide_at_bank(self, pick: int, yes: bool) -> None:
        """A payer who has the bank's link, or whose phone the bank woke, approves or refuses."""
        orders = self.ledger.approvable()
        orders[pick % len(orders)].stage = Stage.APPROVED if yes else Stage.REFUSED

    @rule()
    def settle(self) -> None:
        """The banks execute what was approved."""
        for order in self.ledger.orders:
            order.stage = Stage.PAID if order.stage is Stage.APPROVED else order.stage

    @precondition(lambda self: self.agreed)
    @rule(pick=PICK)
    def come_back(self, pick: int) -> None:
        """The payer returns from the bank, perhaps for the third time."""
        payment = self.one(pick)

        async def back() -> None:
            attempt = (await self.world.now(payment)).attempt
            if attempt is not None:
                ticket = attempt.return_url.rpartition("/")[2]
                await return_from_bank(self.world.core, ticket, {"status": "done"})

        self.attempt_(back())

    @precondition(lambda self: self.agreed)
    @rule(pick=PICK, act=st.sampled_from([ask_bank, cancel_by_client, cancel_by_payer]))
    def act(self, pick: int, act: Any) -> None:
        """The merchant asks or cancels, or the payer cancels."""
        payment = self.one(pick)
        self.attempt_(act(self.world.core, payment.merchant_id, payment.payment_id))

    @rule(fate=st.sampled_from([Fate.ANSWERED] * 4 + list(Fate)))
    def weather(self, fate: Fate) -> None:
        """The network to the banks gets better or worse."""
        self.ledger.fate = fate

    @rule(seconds=st.sampled_from([1, 10, 61, 600, 1201, 1201, 1201, 3600, 90_000, 31 * 86_400]))
    def pass_time(self, seconds: int) -> None:
        """Time passes and the workers look."""
        self.run_(self.world.later(seconds=seconds))

    @rule(hours=st.sampled_from([None, 1, 100]))
    def move_clock(self, hours: int | None) -> None:
        """A tester moves the shop's clock."""
        if hours is None or self.world.core.clock.offset(1) < timedelta(days=90):
            self.run_(self.world.move_clock(None if hours is None else timedelta(hours=hours)))

    @rule()
    def restart(self) -> None:
        """The server stops and starts on the same files."""
        self.run_(self.stack.aclose())
        self.run_(self._open())

    @precondition(lambda self: self.agreed)
    @rule(pick=PICK)
    def lose_power_at_the_bank(self, pick: int) -> None:
        """The server dies while a bank is called, before it can write down what the bank said."""
        payment = self.one(pick)

        async def die(*_: object) -> None:
            await self.ledger.initiate(*_)  # type: ignore[arg-type]
            self.ledger.orders[-1].known = False
            raise asyncio.CancelledError

        async def choose() -> None:
            core = self.world.core
            dying = replace(self.ledger.connector(), initiate=die)  # type: ignore[arg-type]
            self.world.core = replace(core, connectors={"scripted": dying})
            with contextlib.suppress(asyncio.CancelledError):
                await self.world.choose(payment)

        fate, self.ledger.fate = self.ledger.fate, Fate.ANSWERED
        self.attempt_(choose())
        self.ledger.fate = fate
        self.restart()

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "world"):
            self.run_(self._hold())

    async def _hold(self) -> None:
        for payment_id, agreed in self.agreed.items():
            standing = await self.world.now(agreed)
            payment, attempt = standing.payment, standing.attempt
            assert same_agreement(payment, agreed), "I4: the agreement never changes"
            await self._hold_history(payment)
            await self._hold_events(payment)
            alive = attempt is not None and attempt.phase is not Phase.ENDED
            assert not (payment.final and alive), "I8: what has ended has no live attempt"
            assert self.ended.setdefault(payment_id, payment.state) is payment.state or not self._was_final(
                payment_id
            ), "I2: a final state has no exit"
            self.ended[payment_id] = payment.state
            self._hold_money(payment)
        live = await self.world.core.store.engine.fetch_text(
            "SELECT COUNT(*) FROM attempts WHERE phase <> 'ended' GROUP BY merchant_id, payment_id", ()
        )
        assert {count for (count,) in live} <= {1}, "I10: at most one live attempt"

    def _was_final(self, payment_id: int) -> bool:
        return self.ended[payment_id] in FINAL

    async def _hold_history(self, payment: Payment) -> None:
        moves = await self.world.moves(payment)
        assert [move.ordinal for move in moves] == list(range(len(moves))), "I20: numbered without gaps"
        assert moves[-1].target is payment.state
        assert payment.moved == moves[-1].ordinal
        for before, move in pairwise(moves):
            assert move.trigger is not None
            assert move.origin is before.target
            assert MOVES[move.origin, move.trigger] is move.target, "I1: only along the graph"
        told = [f"{move.ordinal} {move.trigger} {move.target} {move.at} {move.said}" for move in moves]
        known = self.histories.setdefault(payment.payment_id, told)
        assert told[: len(known)] == known, "history only grows"
        self.histories[payment.payment_id] = told

    async def _hold_events(self, payment: Payment) -> None:
        rows = await self.world.core.store.engine.fetch_text(
            "SELECT ordinal FROM deliveries WHERE payment_id = $1 ORDER BY ordinal", (payment.payment_id,)
        )
        assert [ordinal for (ordinal,) in rows] == list(range(1, payment.moved + 1)), "I19: one event a move"

    def _hold_money(self, payment: Payment) -> None:
        references = {one.reference_id for one in payment.instructions}
        moving = [order for order in self.ledger.orders if order.reference in references and order.money_moves]
        assert len(moving) <= 1, "money moves at most once"
        if payment.state is State.DONE:
            assert [order.stage for order in moving] == [Stage.PAID], "I7: done is what the bank itself says"
        if payment.state is State.REJECTED:
            assert moving == [], "what is rejected moves no money"
        approvable = [order for order in self.ledger.approvable() if order.reference in references]
        if payment.state is State.REJECTED:
            assert approvable == [], "what is rejected nobody can approve"
        assert len(approvable) + len(moving) <= 1, "nobody can approve a second order"


async def outcome(call: Coroutine[Any, Any, Answer]) -> Answer | Refusal:
    """What a call answers, or why it is refused."""
    try:
        return await call
    except Refused as refused:
        return refused.why


def same_agreement(payment: Payment, agreed: Payment) -> bool:
    def terms(one: Payment) -> object:
        fixed = (one.guid, one.client_id, one.created_at, one.expires_at, one.redirect_uri, one.execution)
        return fixed, tuple(replace(instruction, state=None) for instruction in one.instructions)

    return terms(payment) == terms(agreed)


# The same walk on every machine: one that fails here fails for everybody. Longer walks are for nightly runs.
Shop.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestShop = Shop.TestCase
