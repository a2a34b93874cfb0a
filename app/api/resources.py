"""The routes that every resource has, made from its service and its schema."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from app.api import bodies, context, parameters
from app.api.access import allow
from app.api.contract import answers, conflicts_of, lists
from app.api.dumper import Dumper
from app.api.lists import list_of
from app.api.reads import read_of
from app.api.responses import expected_versions, no_content, respond_with
from app.api.selection import SELECTION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from flask import Blueprint, Response

    from app.api.contract import Problems
    from app.api.schemas.base import ResourceSchema
    from app.domain.actors import Role
    from app.repositories import Repository
    from app.services import ResourceService

ALL = ("list", "create", "read", "update", "delete", "restore")


def add_routes(
    blueprint: Blueprint,
    kind: type[ResourceService[Any]],
    schema: type[ResourceSchema],
    *,
    read: frozenset[Role],
    write: frozenset[Role],
    list_: frozenset[Role] | None = None,
    patch: type[ResourceSchema] | None = None,
    only: Collection[str] = ALL,
    problems: Mapping[str, Problems] = MappingProxyType({}),
) -> None:
    """Add the routes named in `only`, under the resource's plural name.

    Who may read one may list all, unless `list_` says who; `patch` is what an update may hold;
    `problems` are those of an action that the table doesn't tell.
    """
    repository: Repository[Any] = cast("Any", kind).repository  # the default of the field
    name = repository.model.__tablename__
    dump, new, changes = Dumper(schema), schema(), (patch or schema)(partial=True)
    told = {act: (*conflicts_of(repository, new, act), *problems.get(act, ())) for act in ALL}

    @allow(list_ or read, None)
    @lists(schema, repository)
    def list_all() -> Response:
        return list_of(repository, context.service(kind).page, dump)

    @allow(write)
    @answers(schema, status=201, body=schema, problems=told["create"])
    def create() -> Response:
        created = context.service(kind).create(bodies.load(new))
        return respond_with(dump.one(created), 201, location_of(name, created.id))

    @allow(read, ("include_deleted", *SELECTION))
    @answers(schema)
    def read_(key: UUID) -> Response:
        include_deleted = _include_deleted()
        service = context.service(kind)
        return read_of(dump, lambda: service.get(key, include_deleted=include_deleted))

    @allow(write)
    @answers(schema, body=patch or schema, problems=told["update"])
    def update(key: UUID) -> Response:
        values = bodies.load(changes)
        updated = context.service(kind).update(key, values, expected=expected_versions())
        return respond_with(dump.one(updated))

    @allow(write)
    @answers(status=204, problems=told["delete"])
    def delete(key: UUID) -> Response:
        context.service(kind).remove(key, expected=expected_versions())
        return no_content()

    @allow(write)
    @answers(schema, problems=told["restore"])
    def restore(key: UUID) -> Response:
        bodies.load_nothing()
        restored = context.service(kind).restore(key, expected=expected_versions())
        return respond_with(dump.one(restored))

    one = f"/{name}/<id:key>"
    routes: dict[str, tuple[str, str, Any]] = {
        "list": (f"/{name}", "GET", list_all),
        "create": (f"/{name}", "POST", create),
        "read": (one, "GET", read_),
        "update": (one, "PATCH", update),
        "delete": (one, "DELETE", delete),
        "restore": (f"{one}/restore", "POST", restore),
    }
    for action in only:
        path, method, view = routes[action]
        blueprint.add_url_rule(path, f"{name}_{action}", view, methods=[method])


def location_of(name: str, key: UUID) -> str:
    """A relative reference (RFC 9110, section 10.2.2): a client's Host header is never repeated."""
    return f"/v1/{name}/{key}"


def _include_deleted() -> bool:
    text = parameters.read_parameters().get("include_deleted", "false")
    return parameters.boolean("include_deleted", text)
