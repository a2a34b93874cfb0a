"""Money and currencies in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.components import Component
from app.domain.money import CURRENT, DIGITS

if TYPE_CHECKING:
    from app.api.kit.components import Shape


def _amount(digits: int) -> str:
    whole = "^-?(0|[1-9][0-9]{0,18})"
    return whole + (rf"(\.[0-9]{{1,{digits}}})?$" if digits else "$")


def _by_digits() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for currency, digits in sorted(DIGITS.items()):
        found.setdefault(digits, []).append(currency)
    return found


def _rule(digits: int, currencies: list[str]) -> Shape:
    return {
        "if": {"properties": {"currency": {"enum": currencies}}},
        "then": {"properties": {"amount": {"pattern": _amount(digits)}}},
    }


CURRENCY = Component(
    "Currency",
    {
        "type": "string",
        "description": "A code of ISO 4217, or one that has left it since 2020.",
        "enum": sorted(DIGITS),
        "examples": ["GBP"],
    },
)
CURRENT_CURRENCY = Component(
    "CurrentCurrency",
    {
        "type": "string",
        "description": "A code of ISO 4217 that is in use.",
        "enum": sorted(CURRENT),
        "examples": ["GBP"],
    },
)
MONEY = Component(
    "Money",
    {
        "type": "object",
        "description": "An amount of money. In a response it has exactly the decimals of its "
        "currency, in a request at most as many.",
        "properties": {
            "amount": {
                "type": "string",
                "description": "A decimal number. A negative amount leaves the account.",
                "examples": ["12.34"],
                "pattern": _amount(max(DIGITS.values())),
            },
            "currency": {**CURRENCY.reference, "description": "The currency of the amount."},
        },
        "required": ["amount", "currency"],
        "additionalProperties": False,
        "allOf": [_rule(digits, currencies) for digits, currencies in _by_digits().items()],
    },
    uses=(CURRENCY,),
)
