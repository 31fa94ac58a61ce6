"""Amounts: exact from the text that comes in to the text that goes out, and never a float in between."""
# ruff: noqa: RUF001  # digits of other scripts are what some of these tests are about

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.money import EXPONENTS, AmountFault, Money

READ = [
    ("50.90", "EUR", 5090),
    ("50.9", "EUR", 5090),
    ("50", "EUR", 5000),
    ("50.9000000000", "EUR", 5090),
    ("0", "EUR", 0),
    ("0.01", "EUR", 1),
    ("007", "EUR", 700),
    ("999999999999.99", "EUR", 99_999_999_999_999),
    ("1500", "JPY", 1500),
    ("1500.00", "JPY", 1500),
    ("1.234", "KWD", 1234),
    ("1.2", "TND", 1200),
]

REFUSED = [
    ("", "EUR"),
    (" 1", "EUR"),
    ("1 ", "EUR"),
    ("1\n", "EUR"),
    ("1.", "EUR"),
    (".5", "EUR"),
    ("+1", "EUR"),
    ("-1", "EUR"),
    ("-0", "EUR"),
    ("1,50", "EUR"),
    ("1_000", "EUR"),
    ("1e3", "EUR"),
    ("1e1000000", "EUR"),
    ("9" * 100_000, "EUR"),
    ("0." + "0" * 100_000, "EUR"),
    ("1000000000000", "EUR"),
    ("0x10", "EUR"),
    ("NaN", "EUR"),
    ("Infinity", "EUR"),
    ("٥٠", "EUR"),
    ("５０", "EUR"),
    ("1.005", "EUR"),
    ("1.5", "JPY"),
    ("1.2345", "KWD"),
    ("1", "XXX"),
    ("1", "eur"),
    ("1", ""),
]


@pytest.mark.parametrize(("text", "currency", "minor"), READ)
def test_a_plain_decimal_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(("text", "currency"), REFUSED, ids=lambda value: ascii(value)[:20])
def test_anything_but_a_plain_decimal_is_refused_and_never_rounded(text: str, currency: str) -> None:
    with pytest.raises(AmountFault):
        Money.parse(text, currency)


@pytest.mark.parametrize(("text", "currency"), [one for one in REFUSED if len(one[0]) > 3], ids=lambda v: ascii(v)[:20])
def test_a_refusal_never_repeats_the_text(text: str, currency: str) -> None:
    with pytest.raises(AmountFault) as fault:
        Money.parse(text, currency)
    assert text not in str(fault.value)


@pytest.mark.parametrize(
    ("minor", "currency", "decimals", "text"),
    [
        (5090, "EUR", None, "50.90"),
        (5, "EUR", None, "0.05"),
        (0, "EUR", None, "0.00"),
        (5090, "EUR", 10, "50.9000000000"),
        (1500, "JPY", None, "1500"),
        (1500, "JPY", 10, "1500.0000000000"),
        (1234, "KWD", None, "1.234"),
        (-5, "EUR", None, "-0.05"),
        (-1500, "JPY", None, "-1500"),
    ],
)
def test_an_amount_is_printed_exactly(minor: int, currency: str, decimals: int | None, text: str) -> None:
    assert Money(minor, currency).text(decimals) == text


@given(minor=st.integers(0, 10**14 - 1), currency=st.sampled_from(sorted(EXPONENTS)), more=st.integers(3, 12))
def test_what_is_printed_is_read_back_whatever_the_decimals(minor: int, currency: str, more: int) -> None:
    money = Money(minor % 10 ** (12 + EXPONENTS[currency]), currency)
    assert Money.parse(money.text(), currency) == money
    assert Money.parse(money.text(more), currency) == money


@given(text=st.text(max_size=30))
def test_no_text_makes_the_reader_fail_otherwise_than_by_refusing(text: str) -> None:
    try:
        money = Money.parse(text, "EUR")
    except AmountFault:
        return
    assert text.isascii()
    assert Money.parse(money.text(), "EUR") == money


@pytest.mark.parametrize("minor", [50.9, True, "5090", None])
def test_minor_units_are_an_integer_and_nothing_like_one(minor: object) -> None:
    with pytest.raises(TypeError):
        Money(minor, "EUR")  # type: ignore[arg-type]


def test_sums_of_one_currency_add_up_and_of_two_are_a_mistake() -> None:
    assert Money(1, "EUR") + Money(2, "EUR") == Money(3, "EUR")
    with pytest.raises(TypeError):
        Money(1, "EUR") + Money(2, "GBP")
    with pytest.raises(TypeError):
        Money(1, "EUR") + 2  # type: ignore[operator]


def test_amounts_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Money(1, "EUR").minor = 2  # type: ignore[misc]
