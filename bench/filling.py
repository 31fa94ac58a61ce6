"""Fills a site with payments as if it had taken them for two years: all rows of each, made by the database itself.

One merchant has them all. The latest `RECENT` lie in the last five days at every size, so a list of yesterday finds as
many in each. All went their whole way, from creation over a bank to the end; nine of ten are done, one is rejected.

Only the recent ones and a spread sample of the old ones hold data that can be opened, since sealing millions would
take longer than all measurements. The others have the same number of bytes in the same places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.databases import Database
from bench.rows import KEYS, Model
from bench.site import Site
from opengiro.store.vault import Vault, open_vault

RECENT = 10_000
SAMPLE = 20_000
"""How many old payments can be opened."""
_DAY_US = 86_400_000_000
_RECENT_US, _HISTORY_US = 5 * _DAY_US, 680 * _DAY_US
_KEYS_KEPT_US = 30 * _DAY_US
_EPOCH_US = 1_735_689_600_000_000
"""Where the time in the ids of payments begins; their last twelve bits are chance."""
_REJECTED_EVERY = 10
_TIMES = frozenset({"created_us", "expires_us", "validated_us", "at_us", "started_us", "ends_us", "claimed_us"})
_SEALED = "bench_sealed"
_PLACES: Mapping[str, Callable[[int, int], str]] = {
    "payments": lambda number, _: f"payments/{number}",
    "instructions": lambda number, ordinal: f"instructions/{number}/{ordinal}",
    "attempts": lambda number, ordinal: f"attempts/{number}/{ordinal}",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """`count` payments at equal distances in time; every `opened`-th holds data that can be opened."""

    begins_us: int
    step_us: int
    count: int
    opened: int

    def at(self, number: int) -> int:
        """Return when one of them was made."""
        return self.begins_us + number * self.step_us

    def payment_id(self, number: int) -> int:
        """Return its id, as the program would draw it."""
        return (self.at(number) - _EPOCH_US) // 1000 * 4096 + number % 4096

    def numbers(self) -> range:
        """Return those that can be opened."""
        return range(0, self.count, self.opened)


def fill(site: Site, whole: Sequence[Model], size: int) -> list[int]:
    """Add payments like `whole` until there are `size`, and return the ids of those that can be read."""
    vault, readable = open_vault(site.folder / "data" / "root.key"), []
    for stretch in stretches(time.time_ns() // 1000, size - 1):
        _add(site.database, vault, whole, stretch)
        readable += [stretch.payment_id(number) for number in stretch.numbers()]
    site.database.tidy()
    return readable


def stretches(now_us: int, count: int) -> Iterator[Stretch]:
    """Yield the old payments, if there are any, and the recent ones."""
    recent = min(count, RECENT)
    if old := count - recent:
        step = (_HISTORY_US - _RECENT_US) // old
        yield Stretch(now_us - _HISTORY_US, step, old, max(1, old // SAMPLE))
    yield Stretch(now_us - _RECENT_US, _RECENT_US // recent, recent, 1)


def _add(database: Database, vault: Vault, whole: Sequence[Model], stretch: Stretch) -> None:
    """Let the database write all rows of a stretch, in the order of time, with what was sealed for it."""
    secret = {one.table: one for one in whole if one.table in _PLACES}
    columns = [f"{table} {'BLOB' if database.kind == 'sqlite' else 'BYTEA'}" for table in secret]
    database.run(f"CREATE TABLE {_SEALED} (n BIGINT PRIMARY KEY, {', '.join(columns)})")
    database.insert(_SEALED, ["n", *secret], _seal_all(vault, secret, stretch))
    source = _source(database, stretch)
    database.pour(*(one.insert(database, _changes(database, one, whole), _since(one, source)) for one in whole))
    database.run(f"DROP TABLE {_SEALED}")


def _seal_all(vault: Vault, secret: Mapping[str, Model], stretch: Stretch) -> Iterator[tuple[int | bytes, ...]]:
    plain = {}
    for table, one in secret.items():
        place = _PLACES[table](one.values["payment_id"], one.values.get("ordinal", 0))
        plain[table] = vault.open(one.values["sealed"], place)
    for number in stretch.numbers():
        places = [
            _PLACES[table](stretch.payment_id(number), one.values.get("ordinal", 0)) for table, one in secret.items()
        ]
        yield number, *map(vault.seal, plain.values(), places)


def _source(database: Database, stretch: Stretch) -> str:
    """Return where the rows come from: a number, a time and an id for each payment, and what was sealed for it."""
    last = stretch.count - 1
    numbers = f"SELECT n FROM generate_series(CAST(0 AS BIGINT), {last}) AS g(n)"
    if database.kind == "sqlite":
        numbers = f"WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < {last}) SELECT n FROM g"
    at = f"({stretch.begins_us} + n * {stretch.step_us})"
    number = f"({at} - {_EPOCH_US}) / 1000 * 4096 + n % 4096"
    fresh = f"SELECT n, {at} AS t, {number} AS id FROM ({numbers}) AS counted"
    return f"FROM ({fresh}) AS fresh LEFT JOIN {_SEALED} ON {_SEALED}.n = fresh.n WHERE TRUE"


def _since(one: Model, source: str) -> str:
    """Idempotency keys are kept for a while only."""
    return f"{source} AND fresh.t > {time.time_ns() // 1000 - _KEYS_KEPT_US}" if one.table == KEYS else source


def _changes(database: Database, one: Model, whole: Sequence[Model]) -> dict[str, str]:
    """Return what differs from payment to payment."""
    (born,) = (other.values["created_us"] for other in whole if other.table == "payments")
    changes = {name: f"fresh.t + {one.values[name] - born}" for name in _TIMES if one.values.get(name) is not None}
    if one.table == KEYS:
        return changes | {"key": database.chance_text("fresh.id")}
    changes["payment_id"] = "fresh.id"
    if one.table in _PLACES:
        changes["sealed"] = f"COALESCE({_SEALED}.{one.table}, {database.literal(one.values['sealed'])})"
    if one.table == "payments":
        changes["guid"] = f"'00000000-0000-7000-8' || CAST({10**15} + fresh.id AS TEXT)"
    if one.table == "attempts":
        changes["ticket_hash"] = database.chance_bytes("fresh.id")
    for column, word in (("state", "rejected"), ("target", "rejected"), ("trigger_name", "bank_rejected")):
        if one.values.get(column) in ("done", "bank_settled"):
            kept = one.values[column]
            changes[column] = f"CASE WHEN fresh.n % {_REJECTED_EVERY} = 0 THEN '{word}' ELSE '{kept}' END"
    return changes
