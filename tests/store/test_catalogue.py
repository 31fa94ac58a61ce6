"""One rule for isolation today and sharding tomorrow: tables of tenants lead with the merchant, and queries name it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.migrate import migrate
from opengiro.store.statements import read, statements

WITHOUT_A_TENANT = {
    "banks": "a directory shared by all",
    "duties": "work that one process does for all",
    "home": "where the whole house lives",
    "house_keys": "keys of the whole house",
    "versions": "what processes hold in memory",
    "claim_codes": "a code to scan or type names no merchant, so this leads to it",
    "link_codes": "a link names no merchant, so this leads to it",
    "logins": "a user name names no merchant, so this leads to it",
    "schema_migrations": "the ledger of migrations",
}

SCANS = {
    "load_merchants": "start-up lists every tenant",
    "load_clock_offsets": "every process tells the time of all merchants",
    "load_expired": "the expiry worker serves all merchants",
    "claim_due_attempts": "the observer serves all merchants",
    "load_due_schedules": "the schedule worker serves all merchants",
    "load_expired_occurrences": "the schedule worker serves all merchants",
    "delete_old_idempotency_keys": "housekeeping for all merchants",
    "load_due_webhooks": "the delivery worker serves all merchants",
    "claim_deliveries": "the delivery worker serves all merchants",
    "load_backlog": "metrics tell what is due for all merchants",
    "load_all_webhooks": "housekeeping for all merchants",
    "find_login": "a login comes before its merchant is known",
    "find_claim_code": "a code comes before its merchant is known",
    "find_link_code": "a link comes before its merchant is known",
    "free_lapsed_deliveries": "the delivery worker frees what dead workers held",
}
"""Statements that serve all merchants, as workers and directories do, and hand each row's merchant on."""

NAMES_MERCHANT = re.compile(r"\bmerchant_id = \$1\b")
INSERTS_MERCHANT = re.compile(r"INSERT INTO \w+ \(merchant_id,")


@pytest.fixture
async def catalogue(tmp_path: Path) -> Sqlite:
    engine = Sqlite(tmp_path / "opengiro.db")
    await migrate(engine)
    return engine


async def tables(engine: Sqlite) -> list[str]:
    return [name for (name,) in await engine.fetch_text("SELECT name FROM sqlite_schema WHERE type = 'table'", ())]


async def key_of(engine: Sqlite, table: str) -> list[str]:
    columns = await engine.fetch_text("SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk", (table,))
    return [name for (name,) in columns]


def naked(sql: str) -> str:
    """The statement without its comments."""
    return re.sub(r"--[^\n]*", "", sql)


def named() -> Iterator[tuple[str, str]]:
    yield from ((name, naked(text)) for name, text in statements().items())


async def test_every_table_of_tenants_leads_its_key_with_the_merchant(catalogue: Sqlite) -> None:
    found = {table: await key_of(catalogue, table) for table in await tables(catalogue)}
    assert set(WITHOUT_A_TENANT) <= set(found)
    wrong = {table: key for table, key in found.items() if table not in WITHOUT_A_TENANT and key[0] != "merchant_id"}
    assert wrong == {}


async def test_every_unique_index_of_tenants_leads_with_the_merchant(catalogue: Sqlite) -> None:
    wrong = []
    for table in set(await tables(catalogue)) - set(WITHOUT_A_TENANT) - {"merchants"}:
        indexes = await catalogue.fetch_text('SELECT name FROM pragma_index_list($1) WHERE "unique"', (table,))
        for (index,) in indexes:
            columns = await catalogue.fetch_text("SELECT name FROM pragma_index_info($1) ORDER BY seqno", (index,))
            wrong += [index] if columns[0] != ("merchant_id",) else []
    assert wrong == []


def test_every_query_on_tenants_names_the_merchant_first() -> None:
    wrong = []
    for name, sql in named():
        only_shared = set(re.findall(r"(?:FROM|INTO|(?<!DO )UPDATE|JOIN)\s+(\w+)", sql)) <= set(WITHOUT_A_TENANT)
        if not (only_shared or name in SCANS or NAMES_MERCHANT.search(sql) or INSERTS_MERCHANT.search(sql)):
            wrong.append(name)
    assert wrong == []


async def test_every_table_that_a_query_names_is_bound_to_the_merchant(catalogue: Sqlite) -> None:
    tenants = "|".join(set(await tables(catalogue)) - set(WITHOUT_A_TENANT))
    read_or_written = rf"(?:\b(?:FROM|JOIN|USING|INTO|(?<!DO )UPDATE)\s+(?:{tenants})\b|,\s+(?:{tenants})\s+(?!FROM)\w)"
    bound = r"\bmerchant_id = (?:\$1|\w+\.merchant_id)|INTO \w+ \(merchant_id,"
    counted = {name: (len(re.findall(read_or_written, sql)), len(re.findall(bound, sql))) for name, sql in named()}
    assert len([name for name, (found, _) in counted.items() if found]) > 80
    assert {name for name, (found, bindings) in counted.items() if found > bindings} - set(SCANS) == set()


def test_every_joined_table_is_joined_by_its_merchant_too() -> None:
    wrong = []
    for name, sql in named():
        joins = re.findall(r"JOIN\s+\w+\s+(\w+)\s+ON\s+(.*?)(?=JOIN|WHERE|ORDER|\Z)", sql, re.DOTALL)
        wrong += [name for alias, on in joins if f"{alias}.merchant_id = " not in on]
    assert wrong == []


def test_no_subquery_forgets_the_merchant() -> None:
    wrong = []
    for name, sql in named():
        for inner in re.findall(
            r"SELECT\s(?:(?!\bSELECT\b).)*?\bFROM\s(?!banks|home\b|house_keys|versions)(.*?)(?=\)|\Z)", sql, re.DOTALL
        ):
            if "merchant_id" not in inner and name not in SCANS:
                wrong.append(name)
    assert wrong == []


def test_every_scan_on_the_list_exists_and_needs_to_be_there() -> None:
    found = dict(named())
    assert set(SCANS) <= set(found)
    assert [name for name in SCANS if re.search(r"\bWHERE merchant_id = \$1\b", found[name])] == []


def test_every_statement_is_one_statement() -> None:
    assert [name for name, sql in named() if ";" in sql] == []


def test_a_file_is_read_as_pairs_of_name_and_statement() -> None:
    text = "-- name: one\n-- It says why.\nSELECT 1;\n\n-- name: two\nSELECT\n  2;\n"
    assert read(text) == [("one", "-- It says why.\nSELECT 1"), ("two", "SELECT\n  2")]
