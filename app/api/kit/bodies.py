"""Reads JSON bodies strictly: an unknown, ambiguous or inexact value is refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from flask import current_app, g, request
from marshmallow import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.kit import large_bodies
from app.api.kit.context import settings
from app.api.kit.contract import contract_of
from app.api.kit.items import ItemsSchema
from app.api.kit.problems import Problem
from app.api.kit.schemas import StrictSchema
from app.db.errors import Invalid, Mistake
from app.domain import strict_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from marshmallow import Schema

    from app.api.kit.compiled.source import Function
    from app.db import Record
    from app.settings import Settings

T = TypeVar("T")

_MERGE_PATCH = "application/merge-patch+json"
_NO_BODY = object()
_MOST_PASSED_OVER = 16 * 1024 * 1024  # bytes
_NOTHING, _ITEMS = StrictSchema(), ItemsSchema()


def load(schema: Schema, *, empty_is_object: bool = False) -> Record:
    """The request's body as `schema` reads it; raises Invalid with every mistake."""
    body = read(empty_is_object=empty_is_object)
    try:
        loaded: Record = schema.load(body)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call] # marshmallow's
        raise Invalid(_mistakes(messages, schema)) from error
    return loaded


def load_as(makes: Callable[..., T], schema: Schema, *, empty_is_object: bool = False) -> T:
    """As `load`, as the dataclass or TypedDict `makes`, whose fields are those of the schema."""
    return makes(**load(schema, empty_is_object=empty_is_object))


def load_many(schema: Schema, load_one: Function) -> list[Record]:
    """The `items` of the body, each as `load_one` reads it by `schema`; raises Invalid, by index.

    It stops where there are more mistakes than an answer lists.
    """
    loaded: list[Record] = []

    def mistakes() -> Iterator[Mistake]:
        for index, item in enumerate(load(_ITEMS)["items"]):
            try:
                loaded.append(load_one(item))
            except ValidationError as error:
                messages = error.normalized_messages()  # type: ignore[no-untyped-call] # marshmallow's
                for mistake in _mistakes(messages, schema):
                    yield replace(mistake, path=("items", index, *mistake.path))

    if (invalid := Invalid(mistakes())).mistakes:
        raise invalid
    return loaded


def accepted_by(method: str) -> dict[str, str]:
    """The header that says of which media types a body of POST or PATCH may be."""
    if method == "PATCH":
        return {"Accept-Patch": f"application/json, {_MERGE_PATCH}"}
    return {"Accept-Post": "application/json"}


def load_nothing() -> None:
    """For an action without fields: no body, or an empty object."""
    load(_NOTHING, empty_is_object=True)


def read(*, empty_is_object: bool) -> Any:
    """The JSON of the body, which is read once however often it is asked for; raises Invalid."""
    if "body" not in g:
        body = _read(settings())
        mistakes = strict_json.unacceptable(body)
        if (first := next(mistakes, None)) is not None:
            raise Invalid(chain([first], mistakes))
        g.body = body
    if g.body is not _NO_BODY:
        return g.body
    if empty_is_object:
        return {}
    raise _malformed("A body is required.")


def _read(limits: Settings) -> Any:
    if "Content-Encoding" in request.headers:
        raise _unsupported("Bodies are read without any Content-Encoding.")
    if _has_many():
        request.max_content_length = limits.max_bulk_body
    data = _data()
    if not data and "Content-Type" not in request.headers:
        return _NO_BODY
    _check_content_type()
    if strict_json.has_more_values(data, limits.max_values):
        detail = f"The body has more than {limits.max_values:,} JSON values."
        raise Problem(413, "body-too-large", detail)
    if len(data) > limits.max_body:
        large_bodies.wait_for_turn()
    try:
        return strict_json.parse(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8.") from error
    except ValueError as error:
        raise _malformed(str(error)) from error


def _has_many() -> bool:
    """Whether the route reads many items at once, so that its bodies may be larger."""
    contract = contract_of(current_app.view_functions[request.endpoint or ""])
    return contract is not None and contract.many


def _data() -> bytes:
    try:
        return _data_up_to_limit()
    except RequestEntityTooLarge:
        with suppress(Exception):  # as below; the answer is known already
            _pass_over(_MOST_PASSED_OVER)
        raise
    except Exception as error:  # of the server: no chunks, or a connection that was lost
        raise _malformed("The body can't be read to its end.") from error


def _data_up_to_limit() -> bytes:
    data = request.get_data(cache=False)
    limit, length = request.max_content_length, request.content_length
    if length is None and limit is not None and len(data) >= limit:
        raise RequestEntityTooLarge  # werkzeug cuts a chunked body off at the limit, silently
    if length is not None and len(data) < length:
        raise EOFError("It is shorter than its Content-Length.")
    return data


def _pass_over(most: int) -> None:
    """Read the rest: a connection that is closed before is reset, and the response is lost."""
    source = request.environ["wsgi.input"]
    while most > 0 and (part := source.read(min(most, 65536))):
        most -= len(part)


def _check_content_type() -> None:
    accepted = (
        {"application/json", _MERGE_PATCH} if request.method == "PATCH" else {"application/json"}
    )
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in accepted or charset not in ("utf-8", "utf8"):
        raise _unsupported(f"The body must be {' or '.join(sorted(accepted))} in UTF-8.")


def _mistakes(messages: Any, schema: Schema, path: tuple[str | int, ...] = ()) -> Iterator[Mistake]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _mistakes(inner, schema, (*path, key))
        return
    for message in messages:
        code = getattr(message, "code", "invalid")
        if code == "unknown-field" and len(path) == 1 and path[0] in schema.dump_fields:
            yield Mistake(path, "read-only-field", "The server sets it.")
        elif code != "unknown-field" and path[-1:] == ("_schema",):  # marshmallow's "as a whole"
            yield Mistake(path[:-1], code, str(message))
        else:
            yield Mistake(path, code, str(message))


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed-json", detail)


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported-media-type", detail, headers=accepted_by(request.method))
