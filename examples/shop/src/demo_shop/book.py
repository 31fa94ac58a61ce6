"""The shop's order book: carts, orders, their tries to be paid and what happened, in one SQLite file.

A try is one payment for one order; a failed one may be followed by another. Every method is one short transaction on
its own connection, so requests, webhooks and the sweeper may come together. Whether an order is paid is decided by
the kit's ledger, which lives in the same file and calls `mark_paid` inside its transaction.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from demo_shop.catalogue import CURRENCY, PRODUCTS

QUANTITY_MAX = 20
FIRST_NUMBER = 1042

# Later words win over earlier ones, so an answer that was overtaken on its way cannot turn a try back.
PROGRESS: Mapping[str, int] = {
    "unsent": 0,
    "created": 1,
    "validating": 2,
    "pending": 3,
    "accepted": 4,
    "partial": 5,
    "done": 5,
    "rejected": 5,
    "expired": 5,
    # The words of the other wire.
    "processing": 3,
    "completed": 5,
    "failed": 5,
    "cancelled": 5,
}

# The payer has said yes, so the cart has done its work.
APPROVED = frozenset({"pending", "accepted", "done", "completed"})

STANDINGS: Mapping[str, str] = {
    "unsent": "open",
    "created": "open",
    "validating": "open",
    "pending": "waiting",
    "done": "waiting",
    "accepted": "accepted",
    "partial": "attention",
    "rejected": "failed",
    "expired": "failed",
    "processing": "moving",
    "completed": "waiting",
    "failed": "failed",
    "cancelled": "cancelled",
}

#: The execution of a try that is paid in the widget, on the other wire.
WIDGET = "widget"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a cart or an order, at the price it was put there for."""

    product: str
    quantity: int
    unit_minor: int

    @property
    def total_minor(self) -> int:
        """What the row costs."""
        return self.quantity * self.unit_minor


@dataclass(frozen=True, slots=True)
class Cart:
    """What somebody wants; `version` changes with every change of content."""

    id: str
    version: int
    lines: tuple[Line, ...]

    @property
    def total_minor(self) -> int:
        """What the cart costs."""
        return sum(line.total_minor for line in self.lines)

    @property
    def count(self) -> int:
        """How many things are in it."""
        return sum(line.quantity for line in self.lines)


@dataclass(frozen=True, slots=True)
class Try:
    """One payment for an order; `payment_id`, a number or a guid, is None until the service has answered."""

    ordinal: int
    execution: str
    payment_id: int | str | None
    state: str
    error_code: str | None

    @property
    def standing(self) -> str:
        """One word for how the try stands."""
        if self.state == "rejected" and (self.error_code or "").lower().startswith("cancelledby"):
            return "cancelled"
        return STANDINGS.get(self.state, "waiting")

    @property
    def over(self) -> bool:
        """Whether no money can come of it any more."""
        return self.standing in {"cancelled", "failed"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an order."""

    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the book has it, with its latest try."""

    id: str
    number: int
    currency: str
    total_minor: int
    created_at: datetime
    paid_at: datetime | None
    attention: str | None
    last_try: Try | None

    @property
    def standing(self) -> str:
        """One word for how the order stands; `wording` says it to people."""
        if self.paid_at:
            return "paid"
        if self.attention:
            return "attention"
        return self.last_try.standing if self.last_try else "open"


class Book:
    """The order book in one SQLite file."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path = path
        self._now = now
        with self._reading() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _let_guids_in(connection)
            connection.executescript(files("demo_shop").joinpath("book.sql").read_text())

    def cart(self, cart_id: str | None) -> Cart:
        """Return a cart, empty and unsaved when nobody knows it."""
        with self._reading() as connection:
            return _load_cart(connection, cart_id or secrets.token_urlsafe(16))

    def put_in_cart(self, cart_id: str, product: str, quantity: int, *, adding: bool = False) -> Cart:
        """Set how many of a product are in a cart, or add that many, and return the cart."""
        with self._writing() as connection:
            before = _quantity(connection, cart_id, product) if adding else 0
            kept = max(0, min(QUANTITY_MAX, before + quantity))
            connection.execute(
                "INSERT INTO carts (id, version) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1",
                (cart_id,),
            )
            connection.execute(
                "DELETE FROM cart_lines WHERE cart_id = ? AND product = ? AND ? = 0",
                (cart_id, product, kept),
            )
            connection.execute(
                "INSERT INTO cart_lines (cart_id, product, quantity) SELECT ?, ?, ? WHERE ? > 0"
                " ON CONFLICT (cart_id, product) DO UPDATE SET quantity = excluded.quantity",
                (cart_id, product, kept, kept),
            )
            return _load_cart(connection, cart_id)

    def open_order(self, cart: Cart) -> Order:
        """Turn a cart into an order; the same cart, unchanged, is the same order."""
        with self._writing() as connection:
            known = connection.execute(
                "SELECT id FROM orders WHERE cart_id = ? AND cart_version = ?", (cart.id, cart.version)
            ).fetchone()
            order_id = known["id"] if known else self._insert_order(connection, cart)
            return _found(_load_order(connection, order_id))

    def order(self, order_id: str) -> Order | None:
        """Return an order, or None."""
        with self._reading() as connection:
            return _load_order(connection, order_id)

    def orders(self, limit: int = 100) -> tuple[Order, ...]:
        """Return the newest orders first."""
        with self._reading() as connection:
            return _load_orders(connection, "ORDER BY number DESC LIMIT ?", (limit,))

    def lines(self, order_id: str) -> tuple[Line, ...]:
        """Return what was ordered."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT product, quantity, unit_minor FROM order_lines WHERE order_id = ? ORDER BY rowid",
                (order_id,),
            )
            return tuple(Line(**row) for row in rows)

    def events(self, order_id: str) -> tuple[Event, ...]:
        """Return what happened to an order, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT at, kind, detail FROM order_events WHERE order_id = ? ORDER BY ordinal", (order_id,)
            )
            return tuple(Event(_instant(row["at"]), row["kind"], row["detail"]) for row in rows)

    def order_of_payment(self, payment_id: int | str) -> Order | None:
        """Return the order a payment is for, or None."""
        with self._reading() as connection:
            row = connection.execute("SELECT order_id FROM tries WHERE payment_id = ?", (payment_id,)).fetchone()
            return _load_order(connection, row["order_id"]) if row else None

    def open_try(self, order_id: str, execution: str) -> Try:
        """Return the try that may still succeed, or begin the next one."""
        with self._writing() as connection:
            last = _found(_load_order(connection, order_id)).last_try
            if last and not last.over:
                return last
            ordinal = last.ordinal + 1 if last else 1
            connection.execute(
                "INSERT INTO tries (order_id, ordinal, execution, state) VALUES (?, ?, ?, 'unsent')",
                (order_id, ordinal, execution),
            )
            return Try(ordinal, execution, None, "unsent", None)

    def note_payment(
        self, order_id: str, ordinal: int, payment_id: int | str, state: str, error_code: str | None
    ) -> None:
        """Note what the service said of a try's payment, unless something later is known already."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT state FROM tries WHERE order_id = ? AND ordinal = ?", (order_id, ordinal)
            ).fetchone()
            if PROGRESS.get(state, 3) < PROGRESS.get(row["state"], 3):
                return
            connection.execute(
                "UPDATE tries SET payment_id = ?, state = ?, error_code = ? WHERE order_id = ? AND ordinal = ?",
                (payment_id, state, error_code, order_id, ordinal),
            )
            if state in APPROVED:
                _empty_cart(connection, order_id)

    def note_event(self, order_id: str, kind: str, detail: str = "") -> None:
        """Note something that happened to an order."""
        with self._writing() as connection:
            insert_event(connection, order_id, kind, detail, self._now())

    def note_attention(self, order_id: str, why: str) -> None:
        """Note, once for each reason, that a person has to look at an order."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE orders SET attention = ? WHERE id = ? AND attention IS NOT ?", (why, order_id, why)
            )
            if changed.rowcount:
                insert_event(connection, order_id, "attention", why, self._now())

    def due_for_a_look(self, limit: int = 20) -> tuple[Order, ...]:
        """Return unsettled orders that nobody asked about for a while, each seldomer the longer it stays so."""
        now = int(self._now().timestamp())
        with self._writing() as connection:
            rows = connection.execute(_DUE, (now, limit)).fetchall()
            ids = [row["order_id"] for row in rows]
            connection.executemany(_LOOKED, [(now, order_id) for order_id in ids])
            return tuple(filter(None, (_load_order(connection, order_id) for order_id in ids)))

    def keep_secret(self, service: str, provider_id: int, secret: str) -> None:
        """Keep a signing secret, and the one before it for deliveries that are under way."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO signing_secrets (service, provider_id, secret) VALUES (?, ?, ?)",
                (service, provider_id, secret),
            )

    def secrets(self, service: str) -> Mapping[int, str]:
        """Return the two newest signing secrets of a service by provider."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT provider_id, secret FROM signing_secrets WHERE service = ? ORDER BY ordinal DESC LIMIT 2",
                (service,),
            )
            return {row["provider_id"]: row["secret"] for row in rows}

    def _insert_order(self, connection: sqlite3.Connection, cart: Cart) -> str:
        order_id = secrets.token_urlsafe(12)
        connection.execute(
            "INSERT INTO orders (id, number, cart_id, cart_version, currency, total_minor, created_at)"
            " SELECT ?, COALESCE(MAX(number) + 1, ?), ?, ?, ?, ?, ? FROM orders",
            (order_id, FIRST_NUMBER, cart.id, cart.version, CURRENCY, cart.total_minor, _text(self._now())),
        )
        connection.executemany(
            "INSERT INTO order_lines (order_id, product, quantity, unit_minor) VALUES (?, ?, ?, ?)",
            [(order_id, line.product, line.quantity, line.unit_minor) for line in cart.lines],
        )
        insert_event(connection, order_id, "ordered", "", self._now())
        return order_id

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def mark_paid(connection: sqlite3.Connection, order_id: str, payment_id: int | str, at: datetime) -> None:
    """Turn an order paid and empty its cart, inside the transaction that settles it."""
    connection.execute("UPDATE orders SET paid_at = ? WHERE id = ?", (_text(at), order_id))
    insert_event(connection, order_id, "paid", str(payment_id), at)
    _empty_cart(connection, order_id)


def insert_event(connection: sqlite3.Connection, order_id: str, kind: str, detail: str, at: datetime) -> None:
    """Write one event of an order."""
    connection.execute(
        "INSERT INTO order_events (order_id, at, kind, detail) VALUES (?, ?, ?, ?)",
        (order_id, _text(at), kind, detail),
    )


def _empty_cart(connection: sqlite3.Connection, order_id: str) -> None:
    row = connection.execute("SELECT cart_id, cart_version FROM orders WHERE id = ?", (order_id,)).fetchone()
    emptied = connection.execute("UPDATE carts SET version = version + 1 WHERE id = ? AND version = ?", tuple(row))
    # A cart that was filled anew while the bank worked belongs to the next order.
    if emptied.rowcount:
        connection.execute("DELETE FROM cart_lines WHERE cart_id = ?", (row["cart_id"],))


_ORDERS = """
SELECT o.id, o.number, o.currency, o.total_minor, o.created_at, o.paid_at, o.attention,
       t.ordinal, t.execution, t.payment_id, t.state, t.error_code
FROM orders o
LEFT JOIN tries t ON t.order_id = o.id
 AND t.ordinal = (SELECT MAX(ordinal) FROM tries WHERE order_id = o.id)
"""

_DUE = """
SELECT t.order_id FROM tries t JOIN orders o ON o.id = t.order_id
WHERE o.paid_at IS NULL AND t.payment_id IS NOT NULL AND t.state NOT IN ('rejected', 'expired', 'failed', 'cancelled')
  AND t.next_look_s <= ?
ORDER BY t.next_look_s LIMIT ?
"""

# Fifteen seconds, doubling with every look up to about a day.
_LOOKED = """
UPDATE tries SET looks = looks + 1, next_look_s = ? + (15 << MIN(looks, 13)) WHERE order_id = ?
"""


def _let_guids_in(connection: sqlite3.Connection) -> None:
    """Give the tries of an older book the column that holds guids too; the script then makes the table anew."""
    row = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'tries'").fetchone()
    if row is None or "payment_id ANY" in row["sql"]:
        return
    connection.executescript(files("demo_shop").joinpath("book_guids.sql").read_text())


def _load_cart(connection: sqlite3.Connection, cart_id: str) -> Cart:
    row = connection.execute("SELECT version FROM carts WHERE id = ?", (cart_id,)).fetchone()
    lines = connection.execute("SELECT product, quantity FROM cart_lines WHERE cart_id = ? ORDER BY rowid", (cart_id,))
    priced = tuple(
        Line(line["product"], line["quantity"], PRODUCTS[line["product"]].price_minor)
        for line in lines
        if line["product"] in PRODUCTS
    )
    return Cart(cart_id, row["version"] if row else 0, priced)


def _quantity(connection: sqlite3.Connection, cart_id: str, product: str) -> int:
    row = connection.execute(
        "SELECT quantity FROM cart_lines WHERE cart_id = ? AND product = ?", (cart_id, product)
    ).fetchone()
    return row["quantity"] if row else 0


def _load_orders(connection: sqlite3.Connection, rest: str, values: tuple[str | int, ...]) -> tuple[Order, ...]:
    return tuple(_order(row) for row in connection.execute(_ORDERS + rest, values))


def _load_order(connection: sqlite3.Connection, order_id: str) -> Order | None:
    return next(iter(_load_orders(connection, "WHERE o.id = ?", (order_id,))), None)


def _order(row: sqlite3.Row) -> Order:
    return Order(
        row["id"],
        row["number"],
        row["currency"],
        row["total_minor"],
        _instant(row["created_at"]),
        _instant(row["paid_at"]) if row["paid_at"] else None,
        row["attention"],
        _try(row) if row["ordinal"] else None,
    )


def _try(row: sqlite3.Row) -> Try:
    return Try(row["ordinal"], row["execution"], row["payment_id"], row["state"], row["error_code"])


def _found(order: Order | None) -> Order:
    if order is None:
        raise LookupError("the order is not in the book")
    return order


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
