"""Ready to be spread over machines by merchant: PostgreSQL's own catalogue, the script for Citus, and composed SQL."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from opengiro.dialects.powens.listing import QUERY
from opengiro.store.catalogue import tables
from opengiro.store.engines import Row
from opengiro.store.migrate import LEDGER
from tests.banq import move_in
from tests.postgres import new_database
from tests.server import House
from tests.store.test_catalogue import SCANS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "citus.sql"
RULES = Path(__file__).with_name("citus_rules.sql")

WHOLE = {"merchants": "referred to by everybody's rows", "banks": "shared by all"}
DIRECTORIES = {"logins": "username_index", "link_codes": "code_index", "claim_codes": "code_index"}
"""Asked before anybody knows whose request it is, by the column they are spread by."""
COORDINATOR = {
    LEDGER: "which migrations ran",
    "house_keys": "keys of the whole house",
    "versions": "what processes hold in memory",
    "duties": "work that one process does for all",
    "home": "where the house lives",
}
SHARED = {*WHOLE, *DIRECTORIES, *COORDINATOR}

COMPOSERS = {"store/paging.py", "store/payments.py", "store/transactions.py"}
"""Modules that compose SQL over tables of merchants; all else is in named files."""
OF_NO_TENANT = {"store/migrate.py", "store/home.py"}
"""Modules that compose SQL over catalogues and tables of no merchant."""


@pytest.fixture
async def database() -> AsyncIterator[Any]:
    """A connection to a database with our schema."""
    connection = await asyncpg.connect(new_database())
    yield connection
    await connection.close()


async def test_every_table_of_tenants_leads_its_key_with_the_merchant(database: Any) -> None:
    found = {table.name: table.key for table in await tables(database)}
    assert set(found) >= SHARED
    assert {name: key for name, key in found.items() if name not in SHARED and key[0] != "merchant_id"} == {}


async def test_every_unique_rule_of_tenants_leads_with_the_merchant(database: Any) -> None:
    unique = """
    SELECT c.relname::text, x.relname::text, a.attname::text FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace
    """
    rules = [row for row in await database.fetch(unique) if row[0] not in SHARED]
    assert len(rules) > 25
    assert [name for _, name, first in rules if first != "merchant_id"] == []


async def test_every_reference_between_tenants_names_the_merchant_on_both_sides(database: Any) -> None:
    references = """
    SELECT f.conname::text, c.relname::text, p.relname::text,
        (SELECT array_agg(a.attname::text || '=' || b.attname::text) FROM unnest(f.conkey, f.confkey) AS k(here, there)
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.here
            JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.there)
    FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
    WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace
    """
    found = await database.fetch(references)
    assert len(found) > 20
    assert [name for name, _, _, pairs in found if "merchant_id=merchant_id" not in pairs] == []
    to_shared = {parent for _, _, parent, _ in found if parent in SHARED}
    assert to_shared == {"merchants"}


async def test_no_number_is_given_out_by_one_place_for_all(database: Any) -> None:
    assert await database.fetch("SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 2200") == []
    assert await database.fetch("SELECT 1 FROM pg_attribute WHERE attidentity <> '' AND attrelid > 16383") == []


def _named(function: str) -> list[tuple[str, str | None]]:
    pattern = rf"{function}\('(\w+)'(?:, '(\w+)')?"
    return [(name, column or None) for name, column in re.findall(pattern, SCRIPT.read_text())]


async def test_the_script_for_citus_names_every_table_once(database: Any) -> None:
    spread, whole = _named("create_distributed_table"), _named("create_reference_table")
    named = [name for name, _ in [*spread, *whole]] + sorted(COORDINATOR)
    assert sorted(named) == sorted(table.name for table in await tables(database))
    assert {name for name, _ in whole} == set(WHOLE)
    assert {name: column for name, column in spread if column != "merchant_id"} == DIRECTORIES
    (left,) = re.findall(r"on the coordinator: ([\w, \n-]+)\. Nothing", SCRIPT.read_text().replace("-- ", ""))
    assert set(left.replace(",", " ").split()) == set(COORDINATOR)


async def test_the_script_breaks_no_rule_that_citus_documents(database: Any) -> None:
    await database.execute(RULES.read_text())
    await database.execute(SCRIPT.read_text())
    assert await database.fetchval("SELECT COUNT(*) FROM spread WHERE by_column = 'merchant_id'") > 20


CROSSED = """
ALTER TABLE payments ADD UNIQUE (payment_id, merchant_id);
ALTER TABLE moves ADD FOREIGN KEY (merchant_id, payment_id) REFERENCES payments (payment_id, merchant_id)
"""


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("CREATE UNIQUE INDEX one ON payments (guid)", "is unique without merchant_id"),
        ("ALTER TABLE links ADD COLUMN code BYTEA REFERENCES link_codes", "which is on the coordinator"),
        ("ALTER TABLE sessions ADD COLUMN duty TEXT REFERENCES duties", "which is on the coordinator"),
        (CROSSED, "another node"),
        ("ALTER TABLE audit ADD COLUMN n BIGINT GENERATED ALWAYS AS IDENTITY", "counts by itself"),
    ],
)
async def test_those_rules_are_looked_at(database: Any, change: str, rule: str) -> None:
    await database.execute(RULES.read_text())
    await database.execute(change)
    with pytest.raises(asyncpg.RaiseError, match=rule):
        await database.execute(SCRIPT.read_text())


def test_sql_is_composed_in_few_places_that_are_known() -> None:
    found = set()
    source = ROOT / "src" / "opengiro"
    for path in source.rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        if any(isinstance(call, ast.Attribute) and call.attr == "fetch_text" for call in calls):
            found.add(path.relative_to(source).as_posix())
    assert {name for name in found if "engines/" not in name} == COMPOSERS | OF_NO_TENANT


class Listener:
    """Hears what is composed, and lets it run."""

    def __init__(self, engine: Any) -> None:
        self.heard: list[tuple[str, Sequence[Any]]] = []
        self._fetch_text = engine.fetch_text
        engine.fetch_text = self.hear

    async def hear(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Stand in for the engine's own."""
        self.heard.append((sql, params))
        rows: list[Row] = await self._fetch_text(sql, params)
        return rows


VALUES = {
    "min_date": "2026-01-01",
    "max_date": "2030-01-01",
    "filter": "register_date",
    "state": "created",
    "execution_date_type": "instant",
    "country": "FR,DE",
    "order_by": "amount",
    "limit": "3",
    "offset": "1",
    "reverse": "true",
    "show_sensitive": "true",
}


async def test_every_composed_query_names_the_merchant_for_every_table(house: House) -> None:
    listener = Listener(house.core.store.engine)
    await house.pay()
    for word in QUERY:
        value = VALUES.get(word, "1")
        answer = await house.call("GET", f"/payments?{word}={value}")
        assert answer.status_code in {200, 400}, word
    await house.call("GET", "/payments?" + "&".join(f"{word}={value}" for word, value in VALUES.items()))
    banq = await move_in(house, house.credentials, "theatre")
    await banq.get_paid()
    for path in ("v1/payments", "v1/payments?externalOrderCode=order-77", "v1/transactions"):
        assert (await banq.call("GET", path)).status_code == 200, path
    assert len(listener.heard) > 20
    for sql, params in listener.heard:
        assert params[0] == house.merchant_id
        bound = set(re.findall(r"\b(\w+)\.merchant_id = (?:\$1|\w+\.merchant_id)", sql))
        aliases = [alias for table, alias in re.findall(r"(?:FROM|JOIN)\s+(\w+)\s+(\w+)", sql) if table != "AS"]
        assert aliases
        assert set(aliases) - {"found"} <= bound, sql


def test_the_page_names_what_serves_all_merchants_and_what_stays_local() -> None:
    page = (ROOT / "docs" / "operating" / "sharding.md").read_text()
    assert [name for name in [*SCANS, *SHARED] if f"`{name}`" not in page] == []
