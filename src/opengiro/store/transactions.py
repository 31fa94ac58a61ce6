"""Transactions as one list: a payment made once is one, a recurring payment has one for each of its occurrences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opengiro.store.paging import Totals

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

_ONCE = "SELECT p.payment_id, NULL AS ordinal, p.created_us FROM payments p WHERE {where} AND p.execution <> 'periodic'"
_RECURRING = """
SELECT o.payment_id, o.ordinal, o.created_us
FROM occurrences o JOIN payments p ON p.merchant_id = o.merchant_id AND p.payment_id = o.payment_id
WHERE {where} AND o.merchant_id = $1"""


class Transactions:
    """Where the transactions of an account's payments are to be read."""

    def __init__(self, engine: Engine) -> None:
        """Read from this database."""
        self._engine = engine
        self.totals = Totals(engine)

    async def page(
        self, merchant_id: int, where: Sequence[str], params: Sequence[Any], limit: int, offset: int
    ) -> tuple[list[tuple[int, int | None]], int]:
        """Return (payment_id, occurrence or None) of one page, newest first, and how many match.

        `where` holds fragments on table `p`, as `Payments.page` takes them.
        """
        condition = " AND ".join(["p.merchant_id = $1", *where])
        both = f"{_ONCE.format(where=condition)} UNION ALL {_RECURRING.format(where=condition)}"
        given = [merchant_id, *params]
        # Fragments come from the dialects' own code and values travel as parameters, so no input becomes SQL.
        order = "ORDER BY created_us DESC, payment_id DESC, ordinal DESC NULLS LAST"
        paged = f"{both} {order} LIMIT ${len(given) + 1} OFFSET ${len(given) + 2}"
        rows = await self._engine.fetch_text(paged, [*given, limit, offset])
        total = await self.totals.of(both, given, limit, offset, len(rows))
        return [(payment_id, ordinal) for payment_id, ordinal, _ in rows], total
