"""Reads JSON bodies strictly: an unknown, ambiguous or inexact value is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from marshmallow import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.kit import large_bodies
from app.api.kit.body_bytes import read_bytes
from app.api.kit.compiled import Load
from app.api.kit.context import UNREAD, application, current_request, request_data, settings
from app.api.kit.contract import JSON, contract_of
from app.api.kit.items import ItemsSchema
from app.api.kit.problems import Problem
from app.api.kit.schemas import StrictSchema
from app.db.errors import Invalid, Mistake
from app.domain import json_reading, strict_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Request
    from marshmallow import Schema

    from app.api.kit.compiled.source import Function
    from app.db import Record
    from app.settings import Settings

T = TypeVar("T")

_MERGE_PATCH = "application/merge-patch+json"
_NO_BODY = object()
_NOTHING, _ITEMS = StrictSchema(), ItemsSchema()


def load(schema: Schema, *, empty_is_object: bool = False) -> Record:
    """The request's body as `schema` reads it; raises Invalid with every mistake."""
    body = read(empty_is_object=empty_is_object)
    try:
        loaded: Record = _compiled(schema).one(body)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call] # marshmallow's
        raise Invalid(_mistakes(messages, schema)) from error
    return loaded


@cache
def _compiled(schema: Schema) -> Load:
    """Compiled when the first body comes: the schemas of bodies live as long as the process."""
    return Load(schema)


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
        return {"Accept-Patch": f"{JSON}, {_MERGE_PATCH}"}
    return {"Accept-Post": JSON}


def load_nothing() -> None:
    """For an action without fields: no body, or an empty object."""
    load(_NOTHING, empty_is_object=True)


def read(*, empty_is_object: bool) -> Any:
    """The JSON of the body, which is read once however often it is asked for; raises Invalid."""
    data = request_data()
    if data.body is UNREAD:
        data.body = _read(current_request(), settings())
    if data.body is not _NO_BODY:
        return data.body
    if empty_is_object:
        return {}
    raise _malformed("A body is required.")


def _read(request: Request, limits: Settings) -> Any:
    environ = request.environ
    if "HTTP_CONTENT_ENCODING" in environ:
        raise _unsupported("Bodies are read without any Content-Encoding.")
    many = _has_many(request)
    request.max_content_length = limits.max_bulk_body if many else limits.max_body
    data = _bytes(request)
    if not data and "CONTENT_TYPE" not in environ:
        return _NO_BODY
    if environ.get("CONTENT_TYPE") != JSON:
        _check_content_type(request)
    if not data:
        return _NO_BODY  # many clients send the type with every POST
    if strict_json.has_more_values(data, limits.max_values):
        detail = f"The body has more than {limits.max_values:,} JSON values."
        raise Problem(413, "body-too-large", detail)
    if len(data) > limits.max_body:
        large_bodies.wait_for_turn()
    try:
        return json_reading.read(data)
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8.") from error
    except ValueError as error:
        raise _malformed(str(error)) from error


def _has_many(request: Request) -> bool:
    """Whether the route reads many items at once, so that its bodies may be larger."""
    contract = contract_of(application().view_functions[request.endpoint or ""])
    return contract is not None and contract.many


def _bytes(request: Request) -> bytes:
    try:
        return read_bytes(request)
    except RequestEntityTooLarge:
        raise
    except Exception as error:  # of the server: no chunks, or a connection that was lost
        raise _malformed("The body can't be read to its end.") from error


def _check_content_type(request: Request) -> None:
    accepted = {JSON, _MERGE_PATCH} if request.method == "PATCH" else {JSON}
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
    return Problem(
        415, "unsupported-media-type", detail, headers=accepted_by(current_request().method)
    )
