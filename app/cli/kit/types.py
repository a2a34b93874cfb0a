"""Types of arguments, checked before the command runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import click
from marshmallow import ValidationError, validate

from app.db.listing import parse_timestamp, parse_uuid

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from click import Context, Parameter

T = TypeVar("T")


class Text(click.ParamType[str]):
    """A string in UTF-8 of 1 to `longest` characters, not all blank."""

    name = "text"

    def __init__(self, longest: int = 200) -> None:
        self.longest = longest

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> str:
        text = str(value)
        if not text.strip():
            self.fail("it is blank.", param, ctx)
        if len(text) > self.longest:
            detail = f"it has {len(text)} characters, and may have at most {self.longest}."
            self.fail(detail, param, ctx)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.fail("it is not UTF-8.", param, ctx)
        return text


class Email(Text):
    name = "email"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> str:
        text = super().convert(value, param, ctx)
        try:
            validate.Email()(text)
        except ValidationError:
            self.fail(f"{text!r} is not an e-mail address.", param, ctx)
        return text


class Matching(Text):
    """A string that matches a pattern; `description` says in the error message what it must be."""

    def __init__(self, name: str, pattern: re.Pattern[str], description: str) -> None:
        super().__init__()
        self.name, self.pattern, self.description = name, pattern, description

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> str:
        text = super().convert(value, param, ctx)
        if not self.pattern.fullmatch(text):
            self.fail(f"{text!r} is not {self.description}.", param, ctx)
        return text


class Parsed(click.ParamType[T]):
    """A value of `kind` that `parse` makes of a string; `parse` raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], T], kind: type[T]) -> None:
        self.name, self.parse, self.kind = name, parse, kind

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> T:
        if isinstance(value, self.kind):
            return value
        try:
            return self.parse(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


ID = Parsed("id", parse_uuid, UUID)
TIME = Parsed("time", parse_timestamp, datetime)
