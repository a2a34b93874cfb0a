"""Money is exact: what is not exactly understood is refused, what is taken comes back the same."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.errors import Invalid
from app.domain.accounts import account_number, is_account_number
from app.domain.money import DIGITS, MOST, CurrencyMismatch, Money, OutOfRange, UnknownCurrency
from app.domain.transactions import Leg, check_legs, is_over, lessened

currencies = st.sampled_from(sorted(DIGITS))
minors = st.integers(-MOST, MOST)
WRONG = [
    *["0.005", "1e2", "1E2", "+1", "1_000", "NaN", "Infinity", "-Infinity", "inf", "1,", "1,5"],
    *[".5", "5.", "00", "01", "-01", "--", "-", ".", "0x10", "£1", "1.2.3", "1/2", "1.000"],
    *["\u0661", "1\u0660", "\u22121", "", " 5", "5 ", " 5 ", "5\n", "1 000", "1" * 31],
]


@given(minors, currencies)
def test_an_amount_survives_the_way_out_and_in(minor: int, currency: str) -> None:
    """With exactly the digits of its currency, and as a decimal what it was."""
    money = Money(minor, currency)
    assert Money.parse(money.amount, currency) == money
    assert Decimal(money.amount).scaleb(DIGITS[currency]) == minor
    assert len(money.amount.partition(".")[2]) == DIGITS[currency]


@given(st.text(alphabet="0123456789.-+eE_ N,\n", max_size=12), currencies)
def test_only_plain_decimals_are_read(text: str, currency: str) -> None:
    """What is taken is the same number, to the digit; all else is refused."""
    try:
        money = Money.parse(text, currency)
    except ValueError:
        return
    assert Decimal(text).scaleb(DIGITS[currency]) == money.minor
    assert set(text) <= set("0123456789.-")


@pytest.mark.parametrize("text", WRONG)
def test_what_is_not_exactly_understood_is_refused(text: str) -> None:
    """No rounding, no exponents, no signs or digits of other kinds."""
    with pytest.raises(ValueError):
        Money.parse(text, "GBP")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        *[("5", "GBP", 500), ("5.1", "GBP", 510), ("-0.01", "GBP", -1), ("-0", "GBP", 0)],
        *[("5", "JPY", 5), ("1.234", "KWD", 1234), ("0.0001", "CLF", 1)],
    ],
)
def test_fewer_digits_than_the_currency_has_are_exact(text: str, currency: str, minor: int) -> None:
    """So they are taken, as what they are."""
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["1.0", "0.5", "100.00"])
def test_the_yen_has_no_decimals(text: str) -> None:
    """Not even zeros."""
    with pytest.raises(ValueError, match="at most 0 decimals"):
        Money.parse(text, "JPY")


@pytest.mark.parametrize("code", ["gbp", "GBPX", "GB", "", "XXX", "XAU", "ZZZ", "DEM", "£"])
def test_a_currency_is_one_of_iso_4217(code: str) -> None:
    """In capitals, in use, and with a minor unit."""
    with pytest.raises(UnknownCurrency):
        Money.parse("1", code)


def test_there_is_a_largest_amount() -> None:
    """So that no sum of a transaction's entries leaves the range of a bigint."""
    assert Money.parse("9999999999999.99", "GBP").minor == MOST - 1
    with pytest.raises(OutOfRange):
        Money.parse("10000000000000.01", "GBP")


@given(minors, minors, currencies)
def test_it_adds_and_compares_as_numbers_do(one: int, other: int, currency: str) -> None:
    """In one currency."""
    a, b = Money(one, currency), Money(other, currency)
    assert -a == Money(-one, currency)
    assert ((a < b), (a <= b), (a > b), (a == b)) == (
        (one < other),
        (one <= other),
        (one > other),
        (one == other),
    )


def test_two_currencies_do_not_compare() -> None:
    """Which is more, nobody can say."""
    with pytest.raises(CurrencyMismatch):
        max(Money(1, "GBP"), Money(1, "EUR"))


@given(st.integers(10**9 + 1, 10**10 - 1), st.integers(0, 11), st.integers(1, 9))
def test_check_digits_tell_of_a_wrong_digit(serial: int, position: int, by: int) -> None:
    """Any one of them, in any place, and any two neighbours that changed places."""
    number = account_number(serial)
    assert is_account_number(number)
    wrong = str((int(number[position]) + by) % 10)
    assert not is_account_number(number[:position] + wrong + number[position + 1 :])
    left, right = number[position : position + 1], number[position + 1 : position + 2]
    if left != right and right:
        swapped = number[:position] + right + left + number[position + 2 :]
        assert not is_account_number(swapped)


ONE, TWO = uuid4(), uuid4()


def legs(*amounts: int, currency: str = "GBP") -> list[Leg]:
    return [
        Leg((ONE, TWO)[position % 2], Money(minor, currency))
        for position, minor in enumerate(amounts)
    ]


@given(st.lists(st.integers(-100, 100), max_size=5))
def test_legs_balance_or_are_refused(amounts: list[int]) -> None:
    """Two or more, none of them zero, zero in sum."""
    fine = len(amounts) > 1 and 0 not in amounts and sum(amounts) == 0
    try:
        check_legs(legs(*amounts))
    except Invalid:
        assert not fine
    else:
        assert fine


def test_each_currency_balances_by_itself() -> None:
    """Five pounds do not pay for five euros."""
    with pytest.raises(Invalid) as caught:
        check_legs([*legs(-5, currency="GBP"), *legs(5, currency="EUR")])
    assert [mistake.code for mistake in caught.value.mistakes][:2] == ["unbalanced"] * 2
    check_legs([*legs(-5, 5, currency="GBP"), *legs(3, -3, currency="EUR")])


def test_the_threshold_is_in_units_of_the_currency() -> None:
    """What changes hands must be more than it; what a transaction moves twice counts twice."""
    for currency, minor in (("GBP", 10_000), ("JPY", 100), ("KWD", 100_000)):
        assert not is_over(legs(-minor, minor, currency=currency), Decimal(100))
        assert is_over(legs(-minor - 1, minor + 1, currency=currency), Decimal(100))
    assert not is_over(legs(-MOST, MOST), None)


@given(st.integers(1, 1000), st.integers(-10, 1010))
def test_less_of_a_hold_is_two_legs_of_that_much(held: int, wanted: int) -> None:
    """In their directions; more than was held is refused, and nothing at all too."""
    for whole in (legs(-held, held), legs(held, -held)):
        if 0 < wanted <= held:
            part = lessened(whole, Money(wanted, "GBP"))
            check_legs(part)
            assert [leg.amount.minor * held for leg in part] == [
                leg.amount.minor * wanted for leg in whole
            ]
        else:
            with pytest.raises(Invalid):
                lessened(whole, Money(wanted, "GBP"))
