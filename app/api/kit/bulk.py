"""The route that makes many of a resource at once, from its service and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.compiled import Load
from app.api.kit.contract import answers, conflicts_of, repository_of
from app.api.kit.dumper import Dumper
from app.api.kit.responses import respond

if TYPE_CHECKING:
    from flask import Blueprint, Response

    from app.api.kit.contract import Problems
    from app.api.kit.schemas import ResourceSchema
    from app.services.kit.bulk import BulkService


def add_bulk_route(
    blueprint: Blueprint,
    kind: type[BulkService],
    schema: type[ResourceSchema],
    problems: Problems = (),
) -> None:
    """Add `POST /<plural>/bulk`; `problems` are those that the table doesn't tell."""
    repository = repository_of(kind)
    name = repository.model.__tablename__
    new, dump = schema(), Dumper(schema)
    load = Load(new)
    told = (*conflicts_of(repository, new, "create"), *problems)

    @allow_callers_of(kind, "create_many")
    @answers(schema, status=201, body=schema, problems=told, many=True)
    def create_many() -> Response:
        """All of them or none; what is wrong is told by index, as `/items/3/name`."""
        created = context.service(kind).create_many(bodies.load_many(new, load.one))
        return respond({"items": dump.many(created)}, 201)

    blueprint.add_url_rule(f"/{name}/bulk", f"{name}_bulk", create_many, methods=["POST"])
