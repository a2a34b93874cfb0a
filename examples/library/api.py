"""JSON over HTTP: the schemas of the resources, and views that each call one service."""

from typing import TypeVar
from uuid import UUID

from flask import Blueprint, Response, current_app, jsonify
from marshmallow import Schema, fields
from unitwork import Base, Sort, check_tables

from library.http import expected_versions, list_response, read_body, read_query, respond
from library.services import (
    BookService,
    LoanService,
    MemberService,
    ReservationService,
    Service,
)

S = TypeVar("S", bound=Service)

blueprint = Blueprint("library", __name__)


class ResourceSchema(Schema):
    id = fields.UUID(dump_only=True)
    version = fields.Integer(dump_only=True)


class BookSchema(ResourceSchema):
    title = fields.String(required=True)
    isbn = fields.String(required=True)
    copies = fields.Integer(strict=True)


class MemberSchema(ResourceSchema):
    name = fields.String(required=True)
    email = fields.Email(required=True)


class LoanSchema(ResourceSchema):
    book_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    due_at = fields.AwareDateTime(dump_only=True)
    returned_at = fields.AwareDateTime(dump_only=True)


class ReservationSchema(ResourceSchema):
    book_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    ready_at = fields.AwareDateTime(dump_only=True)


BOOK, MEMBER, LOAN, RESERVATION = BookSchema(), MemberSchema(), LoanSchema(), ReservationSchema()


@blueprint.get("/ready")
def ready() -> tuple[Response, int]:
    """503 where a table or its trigger is missing."""
    with current_app.extensions["database"].connect(read_only=True) as connection:
        missing = check_tables(connection, Base.metadata)
    status = "not ready" if missing else "ready"
    return jsonify(status=status, missing=missing), 503 if missing else 200


@blueprint.post("/books")
def add_book() -> Response:
    return respond(BOOK, _service(BookService).add(read_body(BOOK)), 201)


@blueprint.get("/books")
def list_books() -> Response:
    service = _service(BookService)
    query = read_query(service.books, Sort("title"))
    return list_response(BOOK, service.page(query), query)


@blueprint.get("/books/<uuid:key>")
def get_book(key: UUID) -> Response:
    return respond(BOOK, _service(BookService).get(key))


@blueprint.patch("/books/<uuid:key>")
def update_book(key: UUID) -> Response:
    """With `If-Match`, the change is refused unless the book has that version."""
    changes = read_body(BOOK, partial=True)
    return respond(BOOK, _service(BookService).update(key, changes, expected_versions()))


@blueprint.delete("/books/<uuid:key>")
def remove_book(key: UUID) -> tuple[str, int]:
    _service(BookService).remove(key)
    return "", 204


@blueprint.post("/members")
def join() -> Response:
    return respond(MEMBER, _service(MemberService).join(read_body(MEMBER)), 201)


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
    return respond(LOAN, _service(LoanService).lend(**read_body(LOAN)), 201)


@blueprint.post("/loans/<uuid:key>/return")
def give_back(key: UUID) -> Response:
    return respond(LOAN, _service(LoanService).give_back(key))


@blueprint.post("/reservations")
def reserve() -> Response:
    body = read_body(RESERVATION)
    return respond(RESERVATION, _service(ReservationService).reserve(**body), 201)


def _service(kind: type[S]) -> S:
    return kind(current_app.extensions["database"])
