"""The route that makes many of a resource at once, from its service and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.compiled import Load
from app.api.kit.contract import answers, conflicts_of, documented, repository_of
from app.api.kit.dumper import Dumper
from app.api.kit.responses import respond
from app.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint, Response

    from app.api.kit.contract import Problems
    from app.api.kit.schemas import ResourceSchema
    from app.services.kit.bulk import BulkAdds

N = TypeVar("N")


_DESCRIPTION = "Creates all of them or none. A mistake names its place, such as `/items/3/name`."


def add_bulk_route(
    blueprint: Blueprint,
    kind: type[BulkAdds[N]],
    schema: type[ResourceSchema],
    problems: Problems = (),
    *,
    makes: Callable[..., N] = dict,  # type: ignore[assignment] # for those that take fields
) -> None:
    """Add `POST /<plural>/bulk`; `problems` are those that the table does not imply.

    `makes` is what the service takes instead of a dict: a dataclass with the schema's fields.
    """
    repository = repository_of(kind)
    name = repository.model.__tablename__
    new, dump = schema(), Dumper(schema)
    load = Load(new)
    known = (*conflicts_of(repository, new, "create"), *problems)

    @allow_callers_of(kind, "create_many")
    @answers(schema, status=201, body=schema, problems=known, many=True)
    @documented(f"Create many {plural(name)}.", _DESCRIPTION)
    def create_many() -> Response:
        items = [makes(**values) for values in bodies.load_many(new, load.one)]
        created = context.service(kind).create_many(items)
        return respond({"items": dump.many(created)}, 201)

    blueprint.add_url_rule(f"/{name}/bulk", f"{name}_bulk", create_many, methods=["POST"])
