"""A core on a real database with a clock to turn, a scripted bank on the connectors' seam, and real sandbox banks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from opengiro.cli.directory import sandbox_banks, test_bank
from opengiro.connectors import HttpLine
from opengiro.connectors.berlin_group import CONNECTOR as BERLIN_GROUP
from opengiro.connectors.test_bank import CONNECTOR as TEST_BANK
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.attempt import Attempt
from opengiro.domain.banks import Bank, BankTrouble, Cancellation, Cancelled, Connector, Errand, Heard, Line, Moved
from opengiro.domain.clock import Clock
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.merchants import Application, Merchant
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Move, Payment
from opengiro.store import Store
from opengiro.store.answers import Answer
from opengiro.store.vault import open_vault
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import load_standing
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.create_payment import CreatePayment, NewInstruction, create_payment
from opengiro.usecases.move_clock import move_clock
from opengiro.workers.guard import Guard
from opengiro.workers.observe import look
from opengiro_sandbox import BANKS
from opengiro_sandbox.banks import entry
from tests import engines
from tests.sandbox.tpp import Clock as SandboxClock
from tests.sandbox.tpp import Sandbox

SHOP = Merchant(merchant_id=1, domain="shop", name="Shop", legal_name="Shop SARL", zone="Europe/Paris")
CLIENT, HOME, BACK = "1000001", "https://shop.test/", "https://shop.test/back"
PAYEE = Account(Scheme.IBAN, "FR7630006000011234567890189", "Shop SARL")
SCRIPTED, OTHER, PHONE = "scripted-bank", "other-scripted-bank", "phone-bank"
EVERY = (Execution.INSTANT, Execution.FIRST_OPEN_DAY, Execution.DEFERRED)

NOT_SENT = BankTrouble("connection refused", permanent=False, money=Moved.NOT_SENT)
REFUSED = BankTrouble("no", permanent=True, money=Moved.REFUSED)
UNKNOWN = BankTrouble("no answer within 15 s", permanent=False, money=Moved.UNKNOWN)

Said = Heard | BankTrouble


def waits(action: Any = None, **more: Any) -> Heard:
    """The payer has still to approve."""
    return Heard(said="RCVD", action=action, **{"bank_payment_id": "at-bank", **more})


def says(trigger: Trigger | None, said: str = "said", **more: Any) -> Heard:
    """The bank says something that means this."""
    return Heard(said=said, trigger=trigger, **{"bank_payment_id": "at-bank", **more})


APPROVED = says(None, "approved", awaits_us=True)
ACCEPTED, SETTLED, REJECTED = (
    says(trigger) for trigger in (Trigger.BANK_ACCEPTED, Trigger.BANK_SETTLED, Trigger.BANK_REJECTED)
)
GONE, KEPT = Cancellation(Cancelled.AT_ONCE, "CANC"), Cancellation(Cancelled.REFUSED, "too late")


@dataclass(slots=True)
class Script:
    """What the scripted banks answer, by slot; the last answer of a slot stays. `calls` is what they were asked.

    `meanwhile` runs while a bank is being called, by slot: it is how a story lets something happen in between.
    """

    initiate: list[Said] = field(default_factory=lambda: [waits()])
    observe: list[Said] = field(default_factory=lambda: [waits()])
    confirm: list[Said] = field(default_factory=lambda: [SETTLED])
    cancel: list[Cancellation | BankTrouble] = field(default_factory=lambda: [GONE])
    calls: list[tuple[str, Errand]] = field(default_factory=list)
    meanwhile: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)

    async def answer(self, slot: str, errand: Errand) -> Any:
        self.calls.append((slot, errand))
        if during := self.meanwhile.pop(slot, None):
            await during()
        answers: list[Any] = getattr(self, slot)
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(said, BankTrouble):
            raise said
        return said

    def count(self, slot: str) -> int:
        """How often a slot was called."""
        return sum(called == slot for called, _ in self.calls)

    def connector(self) -> Connector:
        """The banks' connector."""

        async def initiate(_: Line, errand: Errand) -> Heard:
            heard: Heard = await self.answer("initiate", errand)
            return heard

        async def observe(_: Line, errand: Errand) -> Heard:
            heard: Heard = await self.answer("observe", errand)
            return heard

        async def confirm(_: Line, errand: Errand, yes: bool) -> Heard:
            heard: Heard = await self.answer("confirm", errand)
            return heard

        async def cancel(_: Line, errand: Errand) -> Cancellation:
            answer: Cancellation = await self.answer("cancel", errand)
            return answer

        return Connector(
            name="scripted", initiate=initiate, observe=observe, heard={}, confirm=confirm, cancel=cancel
        )  # fmt: skip


def scripted_bank(bank_id: str, number: int, **more: Any) -> Bank:
    return Bank(
        bank_id=bank_id, number=number, name=bank_id, connector="scripted", countries=("FR",), executions=EVERY, **more
    )


@dataclass(slots=True)
class World:
    """Everything a story about the core needs."""

    core: Core
    data: Path
    time: SandboxClock
    script: Script
    sandbox: Sandbox | None = None

    async def pay(self, execution: Execution = Execution.INSTANT, label: str = "Order 1", **more: Any) -> Payment:
        """Create a payment."""
        made: list[Payment] = []
        command = new_payment(execution, label, **more)
        await create_payment(self.core, command, lambda payment: made.append(payment) or Answer(200, b""))  # type: ignore[func-returns-value]
        return made[-1]

    async def choose(self, payment: Payment, bank: str = SCRIPTED, **more: Any) -> Standing:
        """Choose a bank for it."""
        return await choose_bank(self.core, choice(payment, bank, **more))

    async def paying(self, *, bank: str = SCRIPTED, **more: Any) -> Payment:
        """Create a payment and choose a bank for it."""
        payment = await self.pay(**more)
        return (await self.choose(payment, bank)).payment

    async def now(self, payment: Payment) -> Standing:
        """Where it stands, as it is saved."""
        return await load_standing(self.core, payment.merchant_id, payment.payment_id)

    async def state(self, payment: Payment) -> State:
        """Its state, as it is saved."""
        return (await self.now(payment)).payment.state

    async def attempt(self, payment: Payment) -> Attempt:
        """Its newest attempt, as it is saved."""
        attempt = (await self.now(payment)).attempt
        assert attempt is not None
        return attempt

    async def moves(self, payment: Payment) -> list[Move]:
        """Its history."""
        return await self.core.store.payments.moves(payment.merchant_id, payment.payment_id)

    async def story(self, payment: Payment) -> str:
        """Its history in a line."""
        return " ".join(move.target for move in await self.moves(payment))

    async def later(self, **step: int) -> None:
        """Let time pass, then let the workers look once."""
        self.time.forward(**step)
        await self.look()

    async def look(self) -> None:
        """Let the workers look once."""
        await look(self.core)

    async def move_clock(self, step: timedelta | None) -> None:
        """Move the shop's clock as a tester does."""
        await move_clock(self.core, SHOP.merchant_id, step)

    async def set(self, **settings: str) -> None:
        """Change the shop's settings; underscores stand for dots after `payment`."""
        merchant = await self.core.merchant(SHOP.merchant_id)
        changes = {f"payment.{key}": value for key, value in settings.items()}
        await self.core.store.merchants.save_settings(merchant, changes, "test", self.time())

    async def ledger(self, code: str = "horizon") -> list[dict[str, Any]]:
        """What a sandbox bank itself says that it was asked to pay."""
        assert self.sandbox is not None
        return await asyncio.to_thread(self.sandbox.bank(code).ledger)

    def bank(self, code: str) -> str:
        """The id of a sandbox bank."""
        return next(bank.bank_id for bank in self.core.store.banks.all() if bank.slug == code)


def new_payment(
    execution: Execution = Execution.INSTANT,
    label: str = "Order 1",
    minor: int = 5090,
    due: date | None = None,
    **more: Any,
) -> CreatePayment:
    """The command that creates a payment."""
    return CreatePayment(
        merchant_id=SHOP.merchant_id,
        client_id=CLIENT,
        dialect="powens",
        redirect_uri=HOME,
        client_state=None,
        instructions=(NewInstruction(Money(minor, "EUR"), label, execution, PAYEE, due),),
        **more,
    )


def choice(payment: Payment, bank: str = SCRIPTED, **more: Any) -> ChooseBank:
    """The command that chooses a bank."""
    fields: Mapping[str, Any] = {"back_to": BACK, "payer_ip": "192.0.2.7", **more}
    return ChooseBank(merchant_id=payment.merchant_id, payment_id=payment.payment_id, bank_id=bank, **fields)


@contextlib.asynccontextmanager
async def opened(
    data: Path, time: SandboxClock | None = None, script: Script | None = None, sandbox: Sandbox | None = None
) -> AsyncIterator[World]:
    """Open a world on a folder; opening it again is a restart."""
    time, script = time or SandboxClock(), script or Script()
    store = Store(await engines.opened(data), open_vault(data / "root.key"))
    clock = Clock(time)
    for merchant, offset_us in await store.merchants.all():
        clock.move(merchant.merchant_id, timedelta(microseconds=offset_us))
    connectors = {one.name: one for one in (TEST_BANK, BERLIN_GROUP, script.connector())}
    guard = Guard(frozenset({"*"}))
    async with HttpLine() as line:
        core = Core(
            store=store,
            clock=clock,
            chance=os.urandom,
            line=line,
            connectors=connectors,
            complain=guard.complaint,
            own_url="http://127.0.0.1:1",
        )
        await _settle_in(core, sandbox)
        yield World(core, data, time, script, sandbox)
    await guard.close()
    await store.close()


async def _settle_in(core: Core, sandbox: Sandbox | None) -> None:
    listed = [entry(bank, sandbox.base_url, bank.health) for bank in BANKS] if sandbox else []
    scripted = (scripted_bank(SCRIPTED, 901), scripted_bank(OTHER, 902), scripted_bank(PHONE, 903, decoupled=True))
    await core.store.banks.save([test_bank(), *scripted, *sandbox_banks(listed)])
    if await core.store.merchants.load(SHOP.merchant_id) is not None:
        return
    await core.store.merchants.save(SHOP, core.clock.real())
    application = Application(
        merchant_id=SHOP.merchant_id,
        client_id=CLIENT,
        name="Shop",
        redirect_uris=(HOME,),
        secret_hash=bytes(32),
        created_at=core.clock.real(),
    )
    await core.store.applications.insert(application, "test")
