"""Money over the wire: `{"amount": "12.34", "currency": "GBP"}`, a string, never a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError, fields
from marshmallow.utils import get_value

from app.api.kit.components import ComponentField
from app.api.kit.expressions import Values, compiled_as, loaded_as
from app.api.kit.validators import Coded
from app.api.schemas.money_components import CURRENCY, CURRENT_CURRENCY, MONEY
from app.domain import money

if TYPE_CHECKING:
    from app.api.kit.fields import Messages

_PARTS = ("amount", "currency")
_CURRENT = {"CURRENT": money.CURRENT}


class Currency(ComponentField, fields.String):
    """A code of ISO 4217."""

    requested, responded = CURRENT_CURRENCY, CURRENCY

    default_error_messages: Messages = {  # noqa: RUF012 - marshmallow declares it so
        "required": Coded("required", "It is required."),
        "null": Coded("null", "It must not be null."),
        "invalid": Coded("type", "It has the wrong type."),
    }

    @loaded_as("value if type(value) is str and value in CURRENT else leave(value)", **_CURRENT)
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        code: str = super()._deserialize(value, *args, **kwargs)
        if code not in money.CURRENT:
            raise ValidationError(Coded("choice", str(money.UnknownCurrency())))
        return code


def _money(_: object, name: str, values: Values) -> str:
    minor, currency, leave = values.value(name), values.value("currency"), values.leave
    return (
        f"written({minor}, {currency}) if type({minor}) is int"
        f" else None if {minor} is None else {leave}"
    )


def written(minor: int, currency: str) -> dict[str, str]:
    """The money in JSON."""
    return money.Money(minor, currency).as_json


def _read(value: dict[str, Any]) -> money.Money:
    """The money of a valid object; raises ValueError for any other."""
    amount, currency = value.get("amount"), value.get("currency")
    if len(value) != len(_PARTS) or type(amount) is not str or type(currency) is not str:
        raise ValueError("It is not money.")
    return money.Money.parse(amount, currency)


class Money(ComponentField, fields.Field[money.Money]):
    """Read with at most the currency's digits, written with exactly those.

    What is dumped has whole minor units under the field's own name, and a `currency` next to it.
    """

    requested = responded = MONEY
    default_error_messages: Messages = Currency.default_error_messages

    @compiled_as(_money, written=written)
    def serialize(self, attr: str, obj: Any, accessor: Any = None, **_: Any) -> Any:  # noqa: ARG002 - as marshmallow calls it
        minor = get_value(obj, attr)
        return None if minor is None else written(minor, get_value(obj, "currency"))

    @loaded_as("read(value) if type(value) is dict else leave(value)", read=_read)
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> money.Money:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        mistakes: dict[str, list[Any]] = {
            name: [Coded("unknown-field", "There is no such field.")]
            for name in value
            if name not in _PARTS
        }
        for name in _PARTS:
            if name not in value:
                mistakes[name] = [self.make_error("required").messages[0]]
            elif not isinstance(value[name], str):
                mistakes[name] = [self.make_error("invalid").messages[0]]
        if mistakes:
            raise ValidationError(mistakes)
        try:
            return money.Money.parse(value["amount"], value["currency"])
        except money.UnknownCurrency as error:
            raise _wrong("currency", "choice", error) from error
        except money.OutOfRange as error:
            raise _wrong("amount", "range", error) from error
        except ValueError as error:
            raise _wrong("amount", "format", error) from error


def _wrong(part: str, code: str, error: ValueError) -> ValidationError:
    return ValidationError({part: [Coded(code, str(error))]})


def not_negative(value: money.Money) -> None:
    if value.minor < 0:
        raise ValidationError(Coded("range", "It must not be negative."))
