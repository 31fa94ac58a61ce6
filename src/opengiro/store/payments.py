"""Payments, instructions and moves as rows. `save_moves` is the only place that changes a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from opengiro.domain.accounts import Account
from opengiro.domain.clock import from_us, to_us
from opengiro.domain.deliveries import About, Resource
from opengiro.domain.identifiers import least_payment_id
from opengiro.domain.lifecycle import State, Trigger, is_news
from opengiro.domain.money import Money
from opengiro.domain.parties import Party
from opengiro.domain.payment import (
    Execution,
    Instruction,
    InstructionState,
    Move,
    Payment,
    Reason,
    instruction_state,
)
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.store.deliveries import tell
from opengiro.store.engines import Row, Write
from opengiro.store.paging import Totals

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


class _People(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of a payment."""

    payer: Account | None = None
    payer_party: Party | None = None
    operator_party: Party | None = None
    defaults: str | None = None


class _Payee(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of an instruction."""

    account: Account
    party: Party | None = None


_encode = msgspec.json.encode
_decode_people = msgspec.json.Decoder(_People).decode
_decode_payee = msgspec.json.Decoder(_Payee).decode

_COLUMNS = """
SELECT p.merchant_id, p.payment_id, p.guid, p.client_id, p.state, p.version, p.created_us, p.expires_us,
    p.validated_us, p.currency, p.execution, p.redirect_uri, p.client_state, p.bank_id, p.bank_locked,
    p.cancelling, p.reason, p.bank_message, p.bank_payment_id, p.sealed, p.country, p.moved,
    p.dialect, p.order_code, p.account_id,
    i.ordinal, i.reference_id, i.amount_minor, i.label, i.execution_date, i.state, i.sealed,
    i.start_date, i.end_date, i.frequency"""
_JOINS = """
JOIN payments p ON p.merchant_id = $1 AND p.payment_id = listed.payment_id
JOIN instructions i ON i.merchant_id = $1 AND i.payment_id = p.payment_id"""


class Payments:
    """The payments of all merchants; every method names the merchant."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        """Keep rows in `engine`, and names and account numbers sealed by `vault`."""
        self._engine = engine
        self._vault = vault
        self.totals = Totals(engine)

    async def load(self, merchant_id: int, payment_id: int) -> Payment | None:
        """Return one payment, or None when this merchant has none of that id."""
        rows = await self._engine.fetch("load_payment", merchant_id, payment_id)
        return self._from_rows(rows) if rows else None

    async def newest(self, merchant_id: int) -> Payment | None:
        """Return the payment that was made last."""
        ((payment_id,),) = await self._engine.fetch("newest_payment", merchant_id)
        return None if payment_id is None else await self.load(merchant_id, payment_id)

    async def find(self, merchant_id: int, guid: str) -> Payment | None:
        """Return the payment of this guid."""
        rows = await self._engine.fetch("find_payment", merchant_id, guid)
        return await self.load(merchant_id, rows[0][0]) if rows else None

    async def moves(self, merchant_id: int, payment_id: int) -> list[Move]:
        """Return a payment's history, oldest first."""
        return [_move(row) for row in await self._engine.fetch("load_moves", merchant_id, payment_id)]

    async def moved(self, merchant_id: int, payment_id: int) -> int:
        """Return the ordinal of a payment's last move: the cheapest way to learn whether there is news."""
        ((ordinal,),) = await self._engine.fetch("load_moved", merchant_id, payment_id)
        return int(ordinal)

    async def expired(self, now_us: int, furthest_us: int, limit: int) -> list[tuple[int, int]]:
        """Return (merchant_id, payment_id) of open payments whose time ran out on their merchant's clock."""
        rows = await self._engine.fetch("load_expired", now_us, now_us + furthest_us, limit)
        return [(merchant_id, payment_id) for merchant_id, payment_id in rows]

    async def bank_uses(self, merchant_id: int, since: datetime) -> dict[str, int]:
        """Return how many payments went to each bank since then."""
        return dict(await self._engine.fetch("count_bank_uses", merchant_id, least_payment_id(since)))

    async def page(
        self, merchant_id: int, where: Sequence[str], params: Sequence[Any], order: str, limit: int, offset: int
    ) -> tuple[list[Payment], int]:
        """Return one page of payments and how many match, as `Totals` counts.

        `where` and `order` are the caller's own fragments: they refer to table `p` and to `$2`, `$3` … for `params`;
        `$1` is the merchant.
        """
        condition = " AND ".join(["p.merchant_id = $1", *where])
        given = [merchant_id, *params]
        # Fragments come from the dialects' own tables and values travel as parameters, so no input becomes SQL.
        # Plans are made without the values, and one that stops early needs to see how little is wanted.
        ids = f"SELECT p.payment_id FROM payments p WHERE {condition} ORDER BY {order} LIMIT {limit:d}"  # noqa: S608
        ids, skipped = (f"{ids} OFFSET ${len(given) + 1}", [offset]) if offset else (ids, [])
        sql = f"{_COLUMNS} FROM ({ids}) AS listed {_JOINS} ORDER BY {order}, i.ordinal"
        rows = await self._engine.fetch_text(sql, [*given, *skipped])
        payments = [self._from_rows(list(group)) for _, group in groupby(rows, key=lambda row: row[1])]
        matching = f"SELECT 1 FROM payments p WHERE {condition}"  # noqa: S608
        return payments, await self.totals.of(matching, given, limit, offset, len(payments))

    async def accepted_terms(self, merchant_id: int, payment_id: int) -> frozenset[int]:
        """Return the ids of the terms that the payer agreed to."""
        rows = await self._engine.fetch("load_terms_accepted", merchant_id, payment_id)
        return frozenset(terms_id for terms_id, _ in rows)

    def accept_terms(self, payment: Payment, terms_id: int, at: datetime) -> Write:
        """Return the write that records the payer's agreement."""
        return Write("insert_terms_accepted", (payment.merchant_id, payment.payment_id, terms_id, to_us(at)), None)

    def index(self, identification: str) -> bytes:
        """Return the keyed hash under which accounts of this number are found."""
        return self._vault.index(identification)

    def create(self, payment: Payment) -> list[Write]:
        """Return the writes that save a new payment with its instructions and move 0."""
        first = Move(payment.merchant_id, payment.payment_id, 0, None, None, payment.state, payment.created_at)
        return [self._insert(payment), *self._insert_instructions(payment), _insert_move(first)]

    def save_moves(
        self, payment: Payment, before: Payment, moves: Sequence[Move], *, background: bool = False
    ) -> list[Write]:
        """Return the writes that bring a payment from `before` to `payment`, guarded by its version.

        Each move becomes a row, which is the event, and fans out to the merchant's webhooks; `background` says
        that no call of the merchant or payer caused it. A state never changes without a move.
        """
        if (payment.state is not before.state) != bool(moves):
            raise ValueError("a state changes by moves, and moves change the state")
        writes = [self._update(payment, before)]
        if moves:
            key = (payment.merchant_id, payment.payment_id)
            states = instruction_state(payment.state)
            if states is not None:
                writes.append(Write("update_instruction_states", (*key, states), None))
            for moved in moves:
                writes += [_insert_move(moved), *_fan_out(payment, moved, background=background)]
        return writes

    def _insert(self, payment: Payment) -> Write:
        total = payment.total
        return Write(
            "insert_payment",
            (
                payment.merchant_id,
                payment.payment_id,
                payment.guid,
                payment.client_id,
                payment.state,
                payment.version,
                to_us(payment.created_at),
                to_us(payment.expires_at),
                total.minor,
                total.currency,
                payment.execution,
                len(payment.instructions),
                payment.redirect_uri,
                payment.client_state,
                payment.bank_id,
                payment.bank_locked,
                payment.country,
                self._payer_index(payment),
                self._seal_people(payment),
                payment.dialect,
                payment.order_code,
                payment.account_id,
            ),
        )

    def _insert_instructions(self, payment: Payment) -> Iterable[Write]:
        for ordinal, one in enumerate(payment.instructions):
            payee = _encode(_Payee(one.payee, one.payee_party))
            yield Write(
                "insert_instruction",
                (
                    payment.merchant_id,
                    payment.payment_id,
                    ordinal,
                    one.reference_id,
                    one.amount.minor,
                    one.amount.currency,
                    one.label,
                    one.execution_date and one.execution_date.isoformat(),
                    one.state,
                    self._vault.index(one.payee.identification),
                    self._vault.seal(payee, _place(payment.payment_id, ordinal)),
                    *_dates(one.recurrence),
                ),
            )

    def _update(self, payment: Payment, before: Payment) -> Write:
        return Write(
            "update_payment",
            (
                payment.merchant_id,
                payment.payment_id,
                before.version,
                payment.state,
                payment.bank_id,
                payment.cancelling,
                payment.reason,
                payment.bank_message,
                payment.validated_at and to_us(payment.validated_at),
                payment.bank_payment_id,
                self._payer_index(payment),
                self._seal_people(payment),
                payment.country,
                payment.bank_locked,
                payment.moved,
                to_us(payment.expires_at),
            ),
        )

    def _payer_index(self, payment: Payment) -> bytes | None:
        return self._vault.index(payment.payer.identification) if payment.payer else None

    def _seal_people(self, payment: Payment) -> bytes:
        people = _People(payment.payer, payment.payer_party, payment.operator_party, payment.defaults)
        return self._vault.seal(_encode(people), _place(payment.payment_id))

    def _from_rows(self, rows: Sequence[Row]) -> Payment:
        row = rows[0]
        people = _decode_people(self._vault.open(row[19], _place(row[1])))
        return Payment(
            merchant_id=row[0],
            payment_id=row[1],
            guid=row[2],
            client_id=row[3],
            state=State(row[4]),
            version=row[5],
            created_at=from_us(row[6]),
            expires_at=from_us(row[7]),
            validated_at=None if row[8] is None else from_us(row[8]),
            redirect_uri=row[11],
            client_state=row[12],
            bank_id=row[13],
            bank_locked=bool(row[14]),
            defaults=people.defaults,
            cancelling=bool(row[15]),
            reason=row[16] and Reason(row[16]),
            bank_message=row[17],
            bank_payment_id=row[18],
            country=row[20],
            moved=row[21],
            dialect=row[22],
            order_code=row[23],
            account_id=row[24],
            instructions=tuple(self._instruction(row) for row in rows),
            payer=people.payer,
            payer_party=people.payer_party,
            operator_party=people.operator_party,
        )

    def _instruction(self, row: Row) -> Instruction:
        payee = _decode_payee(self._vault.open(row[31], _place(row[1], row[25])))
        return Instruction(
            reference_id=row[26],
            amount=Money(row[27], row[9]),
            label=row[28],
            execution=Execution(row[10]),
            execution_date=row[29] and date.fromisoformat(row[29]),
            payee=payee.account,
            payee_party=payee.party,
            state=row[30] and InstructionState(row[30]),
            recurrence=row[32] and _recurrence(*row[32:35]),
        )


def as_of(payment: Payment, moved: Move) -> Payment:
    """Return the payment as it stood right after one of its moves, for the event that this move is."""
    states = instruction_state(moved.target)
    instructions = tuple(replace(one, state=states) for one in payment.instructions)
    return replace(
        payment,
        state=moved.target,
        reason=moved.reason,
        bank_message=moved.bank_message,
        instructions=instructions,
        cancelling=False,
        validated_at=payment.validated_at if moved.target is not State.CREATED else None,
    )


def _dates(recurrence: Recurrence | None) -> tuple[str | None, str | None, str | None]:
    if recurrence is None:
        return None, None, None
    end = recurrence.end.isoformat() if recurrence.end else None
    return recurrence.start.isoformat(), end, recurrence.frequency


def _recurrence(start: str, end: str | None, frequency: str) -> Recurrence:
    return Recurrence(Frequency(frequency), date.fromisoformat(start), date.fromisoformat(end) if end else None)


def _place(payment_id: int, ordinal: int | None = None) -> str:
    return f"payments/{payment_id}" if ordinal is None else f"instructions/{payment_id}/{ordinal}"


def _insert_move(moved: Move) -> Write:
    return Write(
        "insert_move",
        (
            moved.merchant_id,
            moved.payment_id,
            moved.ordinal,
            moved.origin,
            moved.trigger,
            moved.target,
            to_us(moved.at),
            moved.reason,
            moved.bank_message,
            moved.said,
        ),
    )


def _fan_out(payment: Payment, moved: Move, *, background: bool) -> list[Write]:
    """Return the writes that queue a move: for a space's endpoint, the transaction's event before the payment's."""
    key = (payment.merchant_id, payment.payment_id)
    if payment.account_id is None:
        return [Write("fan_out_move", (*key, moved.ordinal, to_us(moved.at), background), None)]
    if not is_news(moved.origin, moved.target):
        return []
    # The transactions of a recurring payment are its occurrences, which tell for themselves.
    both = (Resource.TRANSACTION, Resource.PAYMENT)
    told = both[1:] if payment.execution is Execution.PERIODIC else both
    return [tell(*key, About(resource, moved.ordinal), moved.at) for resource in told]


def _move(row: Row) -> Move:
    return Move(
        merchant_id=row[0],
        payment_id=row[1],
        ordinal=row[2],
        origin=row[3] and State(row[3]),
        trigger=row[4] and Trigger(row[4]),
        target=State(row[5]),
        at=from_us(row[6]),
        reason=row[7] and Reason(row[7]),
        bank_message=row[8],
        said=row[9],
    )
