"""JSON over HTTP: each view is one call of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, current_app, jsonify, request
from unitwork import Base, Sort, check_tables

from library.errors import NotReady
from library.lists import list_response, read_query
from library.schemas import BookSchema, LoanSchema, MemberSchema, ReservationSchema
from library.services import BookService, LoanService, MemberService, ReservationService
from library.services.service import Service

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response
    from marshmallow import Schema

S = TypeVar("S", bound=Service)

blueprint = Blueprint("library", __name__)

BOOK, MEMBER, LOAN, RESERVATION = BookSchema(), MemberSchema(), LoanSchema(), ReservationSchema()


@blueprint.get("/ready")
def ready() -> Response:
    """503 where a table or its trigger is missing."""
    with current_app.extensions["database"].connect(read_only=True) as connection:
        if missing := check_tables(connection, Base.metadata):
            raise NotReady(" ".join(missing))
    return jsonify(status="ready")


@blueprint.post("/books")
def add_book() -> Response:
    return _respond(BOOK, _service(BookService).add(_body(BOOK)), 201)


@blueprint.get("/books")
def list_books() -> Response:
    service = _service(BookService)
    query = read_query(service.books, Sort("title"))
    return list_response(BOOK, service.page(query), query)


@blueprint.get("/books/<uuid:key>")
def get_book(key: UUID) -> Response:
    return _respond(BOOK, _service(BookService).get(key))


@blueprint.patch("/books/<uuid:key>")
def update_book(key: UUID) -> Response:
    """With `If-Match`, the change is refused unless the book has that version."""
    changes = _body(BOOK, partial=True)
    return _respond(BOOK, _service(BookService).update(key, changes, _expected()))


@blueprint.delete("/books/<uuid:key>")
def remove_book(key: UUID) -> tuple[str, int]:
    _service(BookService).remove(key)
    return "", 204


@blueprint.post("/members")
def join() -> Response:
    return _respond(MEMBER, _service(MemberService).join(_body(MEMBER)), 201)


@blueprint.delete("/members/<uuid:key>")
def leave(key: UUID) -> tuple[str, int]:
    _service(MemberService).leave(key)
    return "", 204


@blueprint.get("/loans")
def list_loans() -> Response:
    """Such as `?member_id=...&returned_at__is_null=true`."""
    service = _service(LoanService)
    query = read_query(service.loans, Sort("due_at"))
    return list_response(LOAN, service.page(query), query)


@blueprint.post("/loans")
def lend() -> Response:
    return _respond(LOAN, _service(LoanService).lend(**_body(LOAN)), 201)


@blueprint.post("/loans/<uuid:key>/return")
def give_back(key: UUID) -> Response:
    return _respond(LOAN, _service(LoanService).give_back(key))


@blueprint.post("/reservations")
def reserve() -> Response:
    return _respond(RESERVATION, _service(ReservationService).reserve(**_body(RESERVATION)), 201)


def _service(kind: type[S]) -> S:
    return kind(current_app.extensions["database"])


def _body(schema: Schema, *, partial: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = schema.load(request.get_json(), partial=partial)
    return body


def _expected() -> list[int] | None:
    """The versions in If-Match; none that fits where a tag is no version."""
    if not request.if_match or request.if_match.star_tag:
        return None
    return [int(tag) for tag in request.if_match.as_set() if tag.isdecimal()]


def _respond(schema: Schema, resource: Any, status: int = 200) -> Response:
    body = schema.dump(resource)
    response = jsonify(body)
    response.status_code = status
    response.set_etag(str(body["version"]))
    return response
