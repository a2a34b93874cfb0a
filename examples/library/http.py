"""Lists, bodies and errors as HTTP, alike for all resources."""

from dataclasses import replace
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from marshmallow import Schema, ValidationError
from unitwork import Page, Query, Reader, Record, Sort
from unitwork.errors import (
    ApplicationError,
    Conflict,
    Invalid,
    InvalidCriterion,
    Unavailable,
    VersionMismatch,
)
from unitwork.listing import Cursors, parse_filter, parse_integer, parse_sort
from werkzeug.exceptions import HTTPException

from library.errors import NotFound

_PARAMETERS = {"q", "sort", "limit", "after"}  # of each list; all others are filters

_STATUS: dict[type[ApplicationError], int] = {
    InvalidCriterion: 400,
    NotFound: 404,
    Conflict: 409,
    VersionMismatch: 412,
    Invalid: 422,
    Unavailable: 503,
}


def read_query(reader: Reader[Any], default: Sort) -> Query:
    """The query that the request asks for; raises InvalidCriterion for what is not declared.

    Parameters: `q` (words), `sort`, `limit`, `after` (`next` of a page), and filters such as
    `title__contains`.
    """
    given = _parameters()
    query = Query(
        {name: parse_filter(reader, name, given[name]) for name in given.keys() - _PARAMETERS},
        search=given.get("q"),
        sort=parse_sort(reader, given["sort"]) if "sort" in given else (default,),
        limit=parse_integer("limit", given.get("limit", "25"), range(1, 101)),
    )
    if "after" not in given:
        return query
    return replace(query, after=_cursors().after(given["after"], query, reader, request.path))


def _parameters() -> dict[str, str]:
    """The query string; raises InvalidCriterion for a name that is in it twice."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidCriterion(name, "It is given more than once.")
    return request.args.to_dict()


def list_response(schema: Schema, page: Page[Record], query: Query) -> Response:
    following = None if page.next is None else _cursors().of(page.next, query, request.path)
    return jsonify(items=schema.dump(page.items, many=True), next=following)


def read_body(schema: Schema, *, partial: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = schema.load(request.get_json(), partial=partial)
    return body


def expected_versions() -> list[int] | None:
    """The versions in If-Match; none that fits where a tag is no version."""
    if not request.if_match or request.if_match.star_tag:
        return None
    return [int(tag) for tag in request.if_match.as_set() if tag.isdecimal()]


def respond(schema: Schema, resource: Any, status: int = 200) -> Response:
    body = schema.dump(resource)
    response = jsonify(body)
    response.status_code = status
    response.set_etag(str(body["version"]))
    return response


def register_errors(app: Flask) -> None:
    app.register_error_handler(ApplicationError, _application_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(HTTPException, _http_error)


def _application_error(error: ApplicationError) -> tuple[Response, int]:
    status = next((_STATUS[kind] for kind in type(error).mro() if kind in _STATUS), 500)
    return jsonify(code=error.code, detail=str(error)), status


def _validation_error(error: ValidationError) -> tuple[Response, int]:
    return jsonify(code=Invalid.code, detail=error.messages), 422


def _http_error(error: HTTPException) -> tuple[Response, int]:
    return jsonify(code="http-error", detail=error.description), error.code or 500


def _cursors() -> Cursors:
    cursors: Cursors = current_app.extensions["cursors"]
    return cursors
