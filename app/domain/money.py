"""Money: whole minor units of one currency. There are no floats, and nothing is ever rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from iso4217 import Currency

from app.db.errors import Conflict

MOST = 10**15
"""Minor units that one amount may have; balances have room for a thousand of these."""

# Funds, metals and test codes have no minor unit, so there can be no account in them.
CURRENT: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
# Currencies that have left ISO 4217 since 2020: existing accounts must still be readable.
_WITHDRAWN = dict.fromkeys(("ANG", "BGN", "CUC", "HRK", "MRO", "SLL", "STD", "VEF", "ZWL"), 2)
DIGITS: dict[str, int] = _WITHDRAWN | CURRENT
_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
_LONGEST = 30  # characters: what is longer is out of range anyway


class UnknownCurrency(ValueError):
    def __init__(self) -> None:
        super().__init__("It must be the ISO 4217 code of a currency with a minor unit.")


class OutOfRange(ValueError):
    pass


def digits_of(currency: str) -> int:
    """The number of decimals of the currency (ISO 4217); raises UnknownCurrency."""
    try:
        return DIGITS[currency]
    except KeyError:
        raise UnknownCurrency from None


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """A decimal such as `-12.34`; more decimals than the currency has are refused.

        Raises UnknownCurrency, OutOfRange, and a plain ValueError for text that is no decimal.
        """
        digits = digits_of(currency)
        found = _DECIMAL.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None:
            raise ValueError("It must be a decimal such as 12.34.")
        sign, whole, decimals = found.groups(default="")
        if len(decimals) > digits:
            raise ValueError(f"{currency} has at most {digits} decimals.")
        minor = int(sign + whole + decimals.ljust(digits, "0"))
        if abs(minor) > MOST:
            raise OutOfRange(f"It must be at most {cls(MOST, currency)}.")
        return cls(minor, currency)

    @property
    def amount(self) -> str:
        """The decimal, with exactly the currency's digits."""
        digits = digits_of(self.currency)
        if digits == 0:
            return str(self.minor)
        sign = "-" if self.minor < 0 else ""
        whole, decimals = divmod(abs(self.minor), 10**digits)
        return f"{sign}{whole}.{decimals:0{digits}}"

    @property
    def as_json(self) -> dict[str, str]:
        """As API and events have it: `{"amount": "12.34", "currency": "GBP"}`."""
        return {"amount": self.amount, "currency": self.currency}

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return self.minor < other.minor


class CurrencyMismatch(Conflict):
    code = "currency-mismatch"

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"The currencies differ: {one} and {other}.")
