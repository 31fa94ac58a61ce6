"""Attempts as rows. Bank links, answers and the connector's memory are sealed: they open a payer's bank page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import AskFields, Confirm, Decoupled, Field, NextAction, Redirect
from opengiro.domain.clock import from_us, to_us
from opengiro.store.engines import Row, Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault


class _Redirect(msgspec.Struct, tag="redirect"):
    url: str


class _Decoupled(msgspec.Struct, tag="decoupled"):
    message: str | None


class _Fields(msgspec.Struct, tag="fields"):
    fields: tuple[Field, ...]


class _Confirm(msgspec.Struct, tag="confirm"):
    pass


class _Secrets(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of an attempt."""

    back_to: str | None = None
    return_url: str = ""
    fields: dict[str, str] = {}
    payer_ip: str | None = None
    payer_agent: str | None = None
    action: _Redirect | _Decoupled | _Fields | _Confirm | None = None
    message: str | None = None
    memory: str = ""
    starts_on: date | None = None


_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(_Secrets).decode


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of all merchants; every method names the merchant."""

    engine: Engine
    vault: Vault

    async def last(self, merchant_id: int, payment_id: int) -> Attempt | None:
        """Return the live attempt of a payment, or the last that ended."""
        rows = await self.engine.fetch("load_attempt", merchant_id, payment_id)
        return self._from_row(rows[0]) if rows else None

    async def by_ticket(self, merchant_id: int, ticket: str) -> Attempt | None:
        """Return the attempt whose bank was given this return ticket."""
        rows = await self.engine.fetch("load_attempt_by_ticket", merchant_id, self.vault.fingerprint(ticket))
        return self._from_row(rows[0]) if rows else None

    async def claim_due(
        self, now_us: int, furthest_us: int, lease_us: int, limit: int, at_bank: int, but: Iterable[str] = ()
    ) -> list[tuple[int, int, str]]:
        """Take due attempts, (merchant_id, payment_id, bank_id) each; untouched ones come back after the lease.

        At most `at_bank` of them are at one bank, and none at the banks of `but`.
        """
        horizon = now_us + furthest_us
        write = Write("claim_due_attempts", (now_us, horizon, lease_us, limit, at_bank, " ".join(but)), None)
        (rows,) = await self.engine.commit([write])
        return [(merchant_id, payment_id, bank_id) for merchant_id, payment_id, bank_id in rows]

    def insert(self, attempt: Attempt, ticket: str) -> Write:
        """Return the write that makes the attempt durable before a byte goes to the bank."""
        return Write(
            "insert_attempt",
            (
                attempt.merchant_id,
                attempt.payment_id,
                attempt.ordinal,
                attempt.version,
                attempt.bank_id,
                attempt.phase,
                attempt.request_id,
                self.vault.fingerprint(ticket),
                to_us(attempt.started_at),
                to_us(attempt.ends_at),
                _us(attempt.confirm_by),
                attempt.asked,
                _us(attempt.next_ask_at),
                attempt.bank_payment_id,
                attempt.said,
                attempt.sca,
                self._seal(attempt),
            ),
        )

    def update(self, attempt: Attempt, before: Attempt) -> Write:
        """Return the write that keeps what was learnt, guarded by the version of `before`."""
        return Write(
            "update_attempt",
            (
                attempt.merchant_id,
                attempt.payment_id,
                attempt.ordinal,
                before.version,
                attempt.phase,
                to_us(attempt.ends_at),
                _us(attempt.confirm_by),
                attempt.asked,
                _us(attempt.next_ask_at),
                attempt.bank_payment_id,
                attempt.said,
                attempt.sca,
                self._seal(attempt),
            ),
        )

    def _seal(self, attempt: Attempt) -> bytes:
        secrets = _Secrets(
            back_to=attempt.back_to,
            return_url=attempt.return_url,
            fields=dict(attempt.fields),
            payer_ip=attempt.payer_ip,
            payer_agent=attempt.payer_agent,
            action=_pack(attempt.action),
            message=attempt.message,
            memory=attempt.memory,
            starts_on=attempt.starts_on,
        )
        return self.vault.seal(_encode(secrets), _place(attempt.payment_id, attempt.ordinal))

    def _from_row(self, row: Row) -> Attempt:
        secrets = _decode(self.vault.open(row[15], _place(row[1], row[2])))
        confirm_by = _instant(row[9])
        return Attempt(
            merchant_id=row[0],
            payment_id=row[1],
            ordinal=row[2],
            version=row[3],
            bank_id=row[4],
            phase=Phase(row[5]),
            request_id=row[6],
            started_at=from_us(row[7]),
            ends_at=from_us(row[8]),
            confirm_by=confirm_by,
            asked=row[10],
            next_ask_at=_instant(row[11]),
            bank_payment_id=row[12],
            said=row[13],
            sca=row[14],
            back_to=secrets.back_to,
            return_url=secrets.return_url,
            fields=secrets.fields,
            payer_ip=secrets.payer_ip,
            payer_agent=secrets.payer_agent,
            action=_unpack(secrets.action, confirm_by),
            message=secrets.message,
            memory=secrets.memory,
            starts_on=secrets.starts_on,
        )


def _pack(action: NextAction) -> _Redirect | _Decoupled | _Fields | _Confirm | None:
    match action:
        case Redirect(url):
            return _Redirect(url)
        case Decoupled(message):
            return _Decoupled(message)
        case AskFields(fields):
            return _Fields(fields)
        case Confirm():
            return _Confirm()
        case None:
            return None


def _unpack(packed: _Redirect | _Decoupled | _Fields | _Confirm | None, confirm_by: datetime | None) -> NextAction:
    match packed:
        case _Redirect():
            return Redirect(packed.url)
        case _Decoupled():
            return Decoupled(packed.message)
        case _Fields():
            return AskFields(packed.fields)
        case _Confirm():
            return Confirm(confirm_by)
        case None:
            return None


def _place(payment_id: int, ordinal: int) -> str:
    return f"attempts/{payment_id}/{ordinal}"


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_us(microseconds)
