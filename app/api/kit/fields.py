"""marshmallow's fields, made strict, with a code for every message."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate

from app.api.kit.validators import Coded, Length, Matches, all_differ, not_blank
from app.db import Record
from app.db.listing import format_timestamp, parse_timestamp, parse_uuid

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from marshmallow import Schema


Metadata = dict[str, object]


def describe(description: str, example: object = None) -> Metadata:
    """The metadata with which a field is described in the OpenAPI document."""
    return {"description": description, **({} if example is None else {"examples": [example]})}


SOMETIMES: Metadata = {"sometimes": True}
"""A field's metadata, where not every response has it."""

SEARCHED: Metadata = {
    **SOMETIMES,
    **describe("The words of `q` in their context, as HTML.", "a <mark>fee</mark>"),
    "searched": True,
}
"""A field's metadata, where only the response to `q=` has it."""

ANSWERED_NULL: Metadata = {"answered_null": True}
"""A field's metadata, where it may be null in a response and yet may not be sent as null."""

ONE_OF: Metadata = {"one_of": True}
"""The metadata of fields of which exactly one is sent."""

Messages = dict[str, str | list[Any] | dict[Any, Any]]  # as marshmallow types them


class _Coding:
    default_error_messages: Messages = {  # noqa: RUF012 - marshmallow declares it so
        "required": Coded("required", "It is required."),
        "null": Coded("null", "It must not be null."),
        "invalid": Coded("type", "It has the wrong type."),
        "invalid_uuid": Coded("format", "It is not a canonical UUID."),
        "invalid_time": Coded("format", "It is not an RFC 3339 time with an offset."),
    }


class Text(_Coding, fields.String):
    """A string with something in it, unless `shortest` is 0; never of blanks alone."""

    def __init__(
        self,
        *,
        longest: int,
        shortest: int = 1,
        pattern: re.Pattern[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(validate=[Length(longest, shortest), not_blank], **options)
        self.longest, self.shortest = longest, shortest
        if pattern is not None:
            self.validators.append(Matches(pattern))


class Email(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(longest=254, **options)
        self.validators.append(
            validate.Email(error=Coded("format", "It is not an e-mail address."))
        )


class Choice(_Coding, fields.String):
    """One of `choices`; a response may have one of `answered`, which may be more."""

    def __init__(
        self, choices: Iterable[str], *, answered: Iterable[str] | None = None, **options: Any
    ) -> None:
        allowed = list(choices)
        self.answered = allowed if answered is None else list(answered)
        wrong = Coded("choice", f"It must be one of {', '.join(allowed)}.")
        super().__init__(validate=validate.OneOf(allowed, error=wrong), **options)


class Boolean(_Coding, fields.Boolean):
    def _deserialize(self, value: object, *_: object, **__: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Integer(_Coding, fields.Integer):
    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)


class Id(_Coding, fields.UUID):
    """A canonical, lower-case UUID."""

    def _deserialize(self, value: object, *_: object, **__: object) -> UUID:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return parse_uuid(value)
        except ValueError as error:
            raise self.make_error("invalid_uuid") from error


class Reference(Id):
    """The id of a row of another resource, whose plural name is `resource`.

    Its own name ends in `_id`. `expand` shows the row in full under the name without `_id`.
    """

    def __init__(self, resource: str, **options: Any) -> None:
        super().__init__(**options)
        self.resource = resource


class Timestamp(_Coding, fields.Field[datetime]):
    """RFC 3339 with an offset; always written in UTC."""

    def _serialize(self, value: datetime | None, *_: object, **__: object) -> str | None:
        return None if value is None else format_timestamp(value)

    def _deserialize(self, value: object, *_: object, **__: object) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return parse_timestamp(value)
        except ValueError as error:
            raise self.make_error("invalid_time") from error


class JSONObject(_Coding, fields.Field[Record]):
    """Any JSON object; in a PATCH, null empties it."""

    def deserialize(self, value: Any, attr: Any = None, data: Any = None, **kwargs: Any) -> Any:
        partial = kwargs.get("partial") or (self.root is not None and self.root.partial)
        if value is None and partial:
            return None
        return super().deserialize(value, attr, data, **kwargs)

    def _deserialize(self, value: object, *_: object, **__: object) -> Record:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return value


class Nested(_Coding, fields.Nested):
    """An object with fields of its own, loaded as `makes`: a dataclass that has them too."""

    def __init__(
        self,
        nested: type[Schema] | Callable[[], Schema | type[Schema]],
        makes: Callable[..., object] = dict,
        **options: Any,
    ) -> None:
        super().__init__(nested, **options)
        self.makes = makes

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> object:
        return self.makes(**super()._deserialize(value, *args, **kwargs))


class JSONValue(_Coding, fields.Raw):
    """Anything that JSON can say."""


class BoundedList(_Coding, fields.List[Any]):
    """A list whose length is checked before each of any number of items is looked at."""

    def bounded(self, items: list[Any]) -> list[Any]:
        """Returns the items; raises ValidationError if they are too many."""
        raise NotImplementedError

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list):
            self.bounded(value)
        return super()._deserialize(value, *args, **kwargs)


class Texts(BoundedList):
    """A list of different strings; in a PATCH it replaces the old one."""

    def __init__(
        self, *, most: int, longest: int, pattern: re.Pattern[str] | None = None, **options: Any
    ) -> None:
        super().__init__(Text(longest=longest, pattern=pattern), validate=all_differ, **options)
        wrong = Coded("length", f"It must have at most {most} items.")
        self.at_most = validate.Length(max=most, error=wrong)

    def bounded(self, items: list[Any]) -> list[Any]:
        self.at_most(items)
        return items


class Ids(BoundedList):
    """A list of ids, at most as many as `most()` says when it is read."""

    def __init__(self, *, most: Callable[[], int], **options: Any) -> None:
        super().__init__(Id(), **options)
        self.most = most

    def bounded(self, items: list[Any]) -> list[Any]:
        Length(self.most())(items)
        return items
