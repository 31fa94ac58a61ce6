"""Schedules and occurrences of recurring payments as rows. `save_move` is the only place that changes a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.deliveries import About, Resource
from opengiro.domain.lifecycle import State, Trigger, is_news
from opengiro.domain.occurrence import Occurrence, OccurrenceMove, Schedule, first_move
from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.store.deliveries import tell
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The occurrences of all merchants, and the schedules they are born by; every method names the merchant."""

    engine: Engine

    async def schedule(self, merchant_id: int, payment_id: int) -> Schedule | None:
        """Return the schedule of a payment; None before its payer consented."""
        rows = await self.engine.fetch("load_schedule", merchant_id, payment_id)
        return _schedule(rows[0]) if rows else None

    async def due(self, now_us: int, furthest_us: int, limit: int) -> list[tuple[int, int]]:
        """Return (merchant_id, payment_id) where a date has begun on the merchant's clock."""
        rows = await self.engine.fetch("load_due_schedules", now_us, now_us + furthest_us, limit)
        return [(merchant_id, payment_id) for merchant_id, payment_id in rows]

    async def expired(self, now_us: int, furthest_us: int, limit: int) -> list[tuple[int, int]]:
        """Return (merchant_id, payment_id) where the bank told nothing of a date until its time ran out."""
        rows = await self.engine.fetch("load_expired_occurrences", now_us, now_us + furthest_us, limit)
        return [(merchant_id, payment_id) for merchant_id, payment_id in rows]

    async def of_payment(
        self, merchant_id: int, payment_id: int, after: int = 0, limit: int = 1000
    ) -> list[Occurrence]:
        """Return a payment's occurrences after one ordinal, oldest date first."""
        rows = await self.engine.fetch("load_occurrences", merchant_id, payment_id, after, limit)
        return [_occurrence(row) for row in rows]

    async def opened(self, merchant_id: int, payment_id: int) -> list[Occurrence]:
        """Return what has fallen due and has not come to its end, oldest date first."""
        return [_occurrence(row) for row in await self.engine.fetch("load_open_occurrences", merchant_id, payment_id)]

    async def by_guid(self, merchant_id: int, guid: str) -> Occurrence | None:
        """Return the occurrence of this guid."""
        rows = await self.engine.fetch("load_occurrence_by_guid", merchant_id, guid)
        return _occurrence(rows[0]) if rows else None

    async def by_number(self, merchant_id: int, number: int) -> Occurrence | None:
        """Return the occurrence of this number."""
        rows = await self.engine.fetch("load_occurrence_by_number", merchant_id, number)
        return _occurrence(rows[0]) if rows else None

    async def counts(self, merchant_id: int, payment_id: int) -> dict[State, int]:
        """Return how many occurrences of a payment are in each state."""
        rows = await self.engine.fetch("count_occurrences", merchant_id, payment_id)
        return {State(state): count for state, count in rows}

    async def moves(self, merchant_id: int, payment_id: int, ordinal: int) -> list[OccurrenceMove]:
        """Return the history of one occurrence, oldest first."""
        rows = await self.engine.fetch("load_occurrence_moves", merchant_id, payment_id, ordinal)
        return [_move(row) for row in rows]

    def open(self, schedule: Schedule) -> Write:
        """Return the write that starts a schedule."""
        s, r = schedule, schedule.recurrence
        dates = (r.frequency, r.start.isoformat(), r.end and r.end.isoformat())
        return Write(
            "insert_schedule", (s.merchant_id, s.payment_id, *dates, s.zone, s.next_ordinal, _us(s.next_due_at))
        )

    def follow(self, after: Schedule, before: Schedule, born: Sequence[Occurrence]) -> list[Write]:
        """Return the writes that take a schedule forwards with what was born meanwhile, guarded by how far it was."""
        key = (before.merchant_id, before.payment_id, before.next_ordinal)
        writes = [Write("update_schedule", (*key, after.next_ordinal, _us(after.next_due_at)))]
        for one in born:
            writes += [_insert(one), _insert_move(first_move(one))]
        return writes

    def save_move(self, after: Occurrence, before: Occurrence, moved: OccurrenceMove) -> list[Write]:
        """Return the writes that record what became of an occurrence, guarded by its last move."""
        key = (before.merchant_id, before.payment_id, before.ordinal, before.moved)
        values = (after.state, after.moved, after.reason, after.bank_message, to_us(moved.at))
        about = About(Resource.TRANSACTION, moved.sequence, before.ordinal)
        told = (
            [tell(before.merchant_id, before.payment_id, about, moved.at)]
            if is_news(moved.origin, moved.target)
            else []
        )
        return [Write("update_occurrence", (*key, *values)), _insert_move(moved), *told]


def _insert(one: Occurrence) -> Write:
    return Write(
        "insert_occurrence",
        (
            one.merchant_id,
            one.payment_id,
            one.ordinal,
            one.guid,
            one.number,
            one.due_date.isoformat(),
            one.state,
            to_us(one.created_at),
            to_us(one.expires_at),
        ),
    )


def _insert_move(moved: OccurrenceMove) -> Write:
    return Write(
        "insert_occurrence_move",
        (
            moved.merchant_id,
            moved.payment_id,
            moved.ordinal,
            moved.sequence,
            moved.origin,
            moved.trigger,
            moved.target,
            to_us(moved.at),
            moved.reason,
            moved.bank_message,
        ),
    )


def _occurrence(row: Row) -> Occurrence:
    return Occurrence(
        merchant_id=row[0],
        payment_id=row[1],
        ordinal=row[2],
        guid=row[3],
        number=row[4],
        due_date=date.fromisoformat(row[5]),
        created_at=from_us(row[6]),
        expires_at=from_us(row[7]),
        state=State(row[8]),
        moved=row[9],
        reason=row[10] and Reason(row[10]),
        bank_message=row[11],
        updated_at=from_us(row[12]),
    )


def _schedule(row: Row) -> Schedule:
    end = row[4] and date.fromisoformat(row[4])
    return Schedule(
        merchant_id=row[0],
        payment_id=row[1],
        recurrence=Recurrence(Frequency(row[2]), date.fromisoformat(row[3]), end),
        zone=row[5],
        next_ordinal=row[6],
        next_due_at=None if row[7] is None else from_us(row[7]),
    )


def _move(row: Row) -> OccurrenceMove:
    return OccurrenceMove(
        merchant_id=row[0],
        payment_id=row[1],
        ordinal=row[2],
        sequence=row[3],
        origin=row[4] and State(row[4]),
        trigger=row[5] and Trigger(row[5]),
        target=State(row[6]),
        at=from_us(row[7]),
        reason=row[8] and Reason(row[8]),
        bank_message=row[9],
    )


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)
