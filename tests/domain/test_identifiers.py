"""Ids that sort by time and cannot be counted, and tokens that name their merchant."""
# ruff: noqa: RUF001  # digits of other scripts are what some of these tests are about

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.identifiers import (
    client_id,
    guid7,
    least_payment_id,
    merchant_of,
    merchant_of_client,
    mint_token,
    payment_guid_of,
    payment_id,
    reference_prefix,
    transaction_guid,
)

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2094, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(START.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC))
MERCHANTS = st.integers(1, 2**63 - 1)
CHANCE = st.binary(min_size=32, max_size=32)


@given(at=INSTANTS, chance=CHANCE)
def test_a_payment_id_fits_the_integers_that_javascript_holds(at: datetime, chance: bytes) -> None:
    assert 0 <= payment_id(at, chance) < 2**53


@given(at=INSTANTS, first=CHANCE, second=CHANCE)
def test_a_later_payment_has_a_higher_id(at: datetime, first: bytes, second: bytes) -> None:
    assert payment_id(at, first) < payment_id(at + timedelta(milliseconds=1), second)


@given(at=INSTANTS, bound=INSTANTS, chance=CHANCE)
def test_a_payment_id_tells_whether_it_was_drawn_before_an_instant(
    at: datetime, bound: datetime, chance: bytes
) -> None:
    bound = bound.replace(microsecond=bound.microsecond // 1000 * 1000)
    assert (payment_id(at, chance) < least_payment_id(bound)) == (at < bound)


def test_payments_of_one_millisecond_differ_by_chance_and_cannot_be_counted() -> None:
    ids = {payment_id(START, number.to_bytes(2, "big")) for number in range(0, 2**16, 16)}
    assert len(ids) == 2**12


@given(at=INSTANTS, chance=CHANCE)
def test_a_guid_is_a_uuid_of_version_7_that_tells_its_millisecond(at: datetime, chance: bytes) -> None:
    guid = uuid.UUID(guid7(at, chance))
    assert (guid.version, guid.variant) == (7, uuid.RFC_4122)
    assert guid.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(merchant=MERCHANTS, chance=CHANCE)
def test_a_token_names_its_merchant(merchant: int, chance: bytes) -> None:
    assert merchant_of(mint_token(merchant, chance)) == merchant


@given(merchant=MERCHANTS, chance=CHANCE, place=st.integers(0), letter=st.sampled_from("0aZ_-"))
def test_one_letter_changed_in_a_token_is_noticed(merchant: int, chance: bytes, place: int, letter: str) -> None:
    token = mint_token(merchant, chance)
    at = place % len(token)
    changed = token[:at] + letter + token[at + 1 :]
    assert changed == token or merchant_of(changed) is None


@pytest.mark.parametrize("text", ["", "og__", "og_1_x", "Bearer og_1", "og_1_" + "A" * 43 + "٠" * 8, "x" * 10_000])
def test_what_was_never_a_token_names_nobody(text: str) -> None:
    assert merchant_of(text) is None


def test_a_token_cannot_name_a_merchant_beyond_what_a_database_counts() -> None:
    assert merchant_of(mint_token(2**63, bytes(32))) is None
    assert merchant_of(mint_token(36**13 - 1, bytes(32))) is None


@given(merchant=st.integers(1, 10**12 - 1), chance=CHANCE)
def test_a_client_id_is_digits_and_names_its_merchant(merchant: int, chance: bytes) -> None:
    client = client_id(merchant, chance)
    assert client.isdigit()
    assert merchant_of_client(client) == merchant


@pytest.mark.parametrize("text", ["", "1", "123456", "0123456789", "12345678x", "１２３４５６７", "9" * 19])
def test_what_was_never_a_client_id_names_nobody(text: str) -> None:
    assert merchant_of_client(text) is None


@given(chance=CHANCE)
def test_the_end_to_end_ids_we_make_fit_what_banks_carry(chance: bytes) -> None:
    prefix = reference_prefix(chance)
    assert len(f"{prefix}-{9_999_999}") == 35
    assert prefix.isascii()
    assert prefix.isalnum()


@given(at=INSTANTS, chance=CHANCE)
def test_the_guid_of_a_transaction_leads_back_to_its_payment_and_to_nothing_else(at: datetime, chance: bytes) -> None:
    guid = guid7(at, chance)
    transaction = transaction_guid(guid)
    assert transaction != guid
    assert uuid.UUID(transaction).version == 8
    assert payment_guid_of(transaction) == guid
    assert payment_guid_of(guid) is None
