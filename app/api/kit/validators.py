"""Messages with a code for programs, and the rules for values that give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from marshmallow import ValidationError, validate

if TYPE_CHECKING:
    import re


class Coded(str):
    """A message with the code that programs read; survives marshmallow's formatting."""

    code: str
    __slots__ = ("code",)

    def __new__(cls, code: str, message: str) -> Self:
        coded = super().__new__(cls, message)
        coded.code = code
        return coded

    def format(self, *args: object, **kwargs: object) -> Coded:
        return Coded(self.code, super().format(*args, **kwargs))


class Length(validate.Length):
    def __init__(self, longest: int, shortest: int = 1) -> None:
        wrong = Coded("length", f"It must have a length of {shortest} to {longest}.")
        super().__init__(min=shortest, max=longest, error=wrong)


class Matches:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern

    def __call__(self, value: str) -> None:
        if not self.pattern.fullmatch(value):
            raise ValidationError(Coded("format", f"It must match {self.pattern.pattern}"))


def within(least: int, most: int) -> validate.Range:
    """Validates a number from `least` to `most`."""
    return validate.Range(least, most, error=Coded("range", f"It must be {least} to {most}."))


def all_differ(value: list[str]) -> None:
    if len(set(value)) != len(value):
        raise ValidationError(Coded("duplicate", "An item is in it twice."))


def not_blank(value: str) -> None:
    if value and not value.strip():
        raise ValidationError(Coded("length", "It must not be blank."))
