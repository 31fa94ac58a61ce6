"""The banks' one SQLite file: payments, authorisations, account entries and health.

One connection behind one lock is enough for a sandbox and makes every change a short exclusive transaction.
Times are stored as UTC text, so the file can be read by eye.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from opengiro_sandbox.banks import Bank
from opengiro_sandbox.order import Order
from opengiro_sandbox.payment import Authorisation, Execution, Payment


class Book:
    """The open file; every method is one transaction unless called within `writing`."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating it and its tables when missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the file alone until the block ends, then commit, or roll back on an exception."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _run(self, sql: str, *values: object) -> int:
        with self.writing():
            return self._db.execute(sql, values).rowcount

    def save_payment(self, payment: Payment) -> None:
        """Write a new payment down."""
        self._run(
            "INSERT INTO payments (id, bank, product, request_id, order_json, redirect_uri, nok_uri,"
            " received_at, expires_at, debtor_iban) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            payment.id,
            payment.bank,
            payment.product,
            payment.request_id,
            msgspec.json.encode(payment.order).decode(),
            payment.redirect_uri,
            payment.nok_uri,
            _stamp(payment.received_at),
            _stamp(payment.expires_at),
            payment.debtor_iban,
        )

    def load_payment(self, bank: str, payment_id: str) -> Payment | None:
        """Return this bank's payment of that id, if any."""
        rows = self._all("SELECT * FROM payments WHERE bank = ? AND id = ?", bank, payment_id)
        return _payment(rows[0]) if rows else None

    def load_payments(self, bank: str) -> list[Payment]:
        """Return every payment this bank accepted, oldest first."""
        return [_payment(row) for row in self._all("SELECT * FROM payments WHERE bank = ? ORDER BY rowid", bank)]

    def save_authorisation(self, authorisation: Authorisation) -> None:
        """Write a new authorisation down; one for a payment also gives the payment its time."""
        with self.writing():
            self._run(
                "INSERT INTO authorisations (id, payment_id, cancels, token, redirect_uri, nok_uri, started_at,"
                " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                authorisation.id,
                authorisation.payment_id,
                authorisation.cancels,
                authorisation.token,
                authorisation.redirect_uri,
                authorisation.nok_uri,
                _stamp(authorisation.started_at),
                _stamp(authorisation.expires_at),
            )
            if not authorisation.cancels:
                self._run(
                    "UPDATE payments SET expires_at = ? WHERE id = ?",
                    _stamp(authorisation.expires_at),
                    authorisation.payment_id,
                )

    def load_authorisations(self, payment_id: str, *, cancels: bool) -> list[Authorisation]:
        """Return a payment's authorisations of one kind, oldest first."""
        rows = self._all(
            "SELECT * FROM authorisations WHERE payment_id = ? AND cancels = ? ORDER BY rowid", payment_id, cancels
        )
        return [_authorisation(row) for row in rows]

    def load_by_token(self, bank: str, token: str) -> tuple[Authorisation, Payment] | None:
        """Return what a payer's link stands for at this bank."""
        rows = self._all("SELECT * FROM authorisations WHERE token = ?", token)
        payment = self.load_payment(bank, rows[0]["payment_id"]) if rows else None
        return (_authorisation(rows[0]), payment) if payment else None

    def load_undecided(self, bank: str) -> list[Authorisation]:
        """Return this bank's authorisations that nobody answered, oldest first."""
        rows = self._all(
            "SELECT a.* FROM authorisations a JOIN payments p ON p.id = a.payment_id"
            " WHERE p.bank = ? AND a.decided_at IS NULL ORDER BY a.rowid",
            bank,
        )
        return [_authorisation(row) for row in rows]

    def open_authorisation(self, authorisation_id: str, at: datetime) -> None:
        """Note that the payer has come."""
        self._run(
            "UPDATE authorisations SET opened_at = ? WHERE id = ? AND opened_at IS NULL",
            _stamp(at),
            authorisation_id,
        )

    def choose_account(self, authorisation_id: str, iban: str) -> None:
        """Note which account the payer would pay from."""
        self._run("UPDATE authorisations SET account = ? WHERE id = ?", iban, authorisation_id)

    def save_decision(self, authorisation_id: str, approved: bool, at: datetime) -> bool:
        """Note the payer's answer; False when an earlier answer stands."""
        changed = self._run(
            "UPDATE authorisations SET decided_at = ?, approved = ? WHERE id = ? AND decided_at IS NULL",
            _stamp(at),
            approved,
            authorisation_id,
        )
        return changed == 1

    def save_approval(self, payment: Payment, iban: str, at: datetime) -> None:
        """Approve the payment and take its amount from the account; a standing order takes it on each date."""
        with self.writing():
            self._run("UPDATE payments SET approved_at = ?, debtor_iban = ? WHERE id = ?", _stamp(at), iban, payment.id)
            if not payment.order.standing:
                self._enter(payment.id, "debit", iban, -payment.order.amount)

    def save_rejection(self, payment: Payment, reason: str, at: datetime) -> None:
        """Refuse the payment for good."""
        self._run("UPDATE payments SET rejected_at = ?, reason = ? WHERE id = ?", _stamp(at), reason, payment.id)

    def save_cancellation(self, payment: Payment, at: datetime) -> None:
        """Cancel the payment, and give back what it had taken."""
        with self.writing():
            self._run("UPDATE payments SET cancelled_at = ? WHERE id = ?", _stamp(at), payment.id)
            if payment.approved_at and not payment.order.standing:
                self._enter(payment.id, "release", payment.debtor_iban, payment.order.amount)

    def _enter(self, payment_id: str, kind: str, iban: str, minor: int) -> None:
        self._run(
            "INSERT INTO entries (payment_id, kind, iban, minor) VALUES (?, ?, ?, ?)", payment_id, kind, iban, minor
        )

    def schedule_execution(self, payment: Payment, at: datetime | None) -> None:
        """Note when a standing order is to be executed next; None when never again."""
        self._run(
            "INSERT OR REPLACE INTO standing_orders (payment_id, next_at) VALUES (?, ?)",
            payment.id,
            _stamp(at) if at else None,
        )

    def load_executable(self, bank: str, now: datetime) -> list[Payment]:
        """Return this bank's standing orders that have something to execute by now, the longest waiting first."""
        rows = self._all(
            "SELECT p.* FROM payments p JOIN standing_orders s ON s.payment_id = p.id"
            " WHERE p.bank = ? AND s.next_at <= ? ORDER BY s.next_at, p.rowid",
            bank,
            _stamp(now),
        )
        return [_payment(row) for row in rows]

    def save_execution(self, payment: Payment, due: date, at: datetime, reason: str) -> None:
        """Note that a date of a standing order was executed, or with a reason that it was not."""
        self._run(
            "INSERT INTO executions (payment_id, due, executed_at, iban, minor, reason) VALUES (?, ?, ?, ?, ?, ?)",
            payment.id,
            due.isoformat(),
            _stamp(at),
            payment.debtor_iban,
            0 if reason else -payment.order.amount,
            reason,
        )

    def load_executions(self, payment_id: str) -> list[Execution]:
        """Return what became of a standing order's dates so far, oldest first."""
        rows = self._all("SELECT * FROM executions WHERE payment_id = ? ORDER BY due", payment_id)
        return [Execution(date.fromisoformat(row["due"]), datetime.fromisoformat(row["executed_at"]), row["reason"])
                for row in rows]  # fmt: skip

    def moved(self, iban: str) -> int:
        """Return what payments have added to (below zero: taken from) an account, in cents."""
        return self._sum("entries", "iban", iban) + self._sum("executions", "iban", iban)

    def moved_by(self, payment_id: str) -> int:
        """Return what one payment has added to (below zero: taken from) its account, in cents."""
        return self._sum("entries", "payment_id", payment_id) + self._sum("executions", "payment_id", payment_id)

    def _sum(self, table: str, column: str, value: str) -> int:
        # Table and column are words of this file; the value travels as a parameter.
        sql = f"SELECT coalesce(sum(minor), 0) AS sum FROM {table} WHERE {column} = ?"  # noqa: S608
        return int(self._all(sql, value)[0]["sum"])

    def health(self, bank: Bank) -> str:
        """Return how the bank fares: what was set last, or what it plays by default."""
        rows = self._all("SELECT health FROM health WHERE bank = ?", bank.code)
        return str(rows[0]["health"]) if rows else bank.health

    def save_health(self, bank: Bank, health: str) -> None:
        """Set how the bank fares from now on."""
        self._run("INSERT OR REPLACE INTO health (bank, health) VALUES (?, ?)", bank.code, health)

    def clock_ahead(self) -> timedelta:
        """Return how far the sandbox's own clock was moved."""
        rows = self._all("SELECT ahead_micros FROM clock")
        return timedelta(microseconds=rows[0]["ahead_micros"] if rows else 0)

    def save_clock_ahead(self, ahead: timedelta) -> None:
        """Keep how far the sandbox's own clock was moved."""
        self._run("INSERT OR REPLACE INTO clock (id, ahead_micros) VALUES (1, ?)", ahead // timedelta(microseconds=1))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _facts(row: sqlite3.Row) -> dict[str, Any]:
    return {key: _time(value) if key.endswith("_at") else value for key, value in dict(row).items()}


def _payment(row: sqlite3.Row) -> Payment:
    facts = _facts(row)
    return Payment(order=msgspec.json.decode(facts.pop("order_json"), type=Order), **facts)


def _authorisation(row: sqlite3.Row) -> Authorisation:
    facts = _facts(row)
    return Authorisation(**facts | {"cancels": bool(facts["cancels"]), "approved": bool(facts["approved"])})
