"""The routes that every resource has, one per verb, from its service and its schema."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from app.api.kit import bodies, context, parameters
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers, conflicts_of, documented, lists, repository_of
from app.api.kit.dumper import Dumper
from app.api.kit.expansions import add_expandable
from app.api.kit.lists import list_response
from app.api.kit.reads import read_response
from app.api.kit.responses import expected_states, no_content, respond_with
from app.api.kit.selection import SELECTION
from app.wording import plural, singular, with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from flask import Blueprint, Response

    from app.api.kit.contract import Problems
    from app.api.kit.schemas import ResourceSchema
    from app.db import DeletableResource, Record, Resource
    from app.services.kit.creates import Creates
    from app.services.kit.deletes import Deletes, Restores
    from app.services.kit.reads import Reads
    from app.services.kit.resources import ResourceService
    from app.services.kit.updates import Updates

    Schema = type[ResourceSchema]
    R = TypeVar("R", bound=Resource)
    D = TypeVar("D", bound=DeletableResource)


_LIST = "Returns a page of the rows that fit every filter, and the cursor of the next page."
_READ = "Returns the resource under its ETag, or 304 if `If-None-Match` has that ETag."
_CREATE = "Returns the new resource. `Location` is its address."
_UPDATE = (
    "The body is a JSON Merge Patch (RFC 7396): an absent field stays as it is, null clears it. "
    "An update that changes nothing leaves the version as it is."
)
_DELETE = (
    "The resource is not found any more. Only administrators see it with `include_deleted`, and it "
    "can be restored where the resource has that action."
)
_RESTORE = "Undoes the deletion, unless the row would break a rule by now."


def add_routes(
    blueprint: Blueprint,
    kind: type[ResourceService[D]],
    schema: Schema,
    *,
    problems: Mapping[str, Problems] = MappingProxyType({}),
) -> None:
    """Add the routes of all verbs, under the resource's plural name.

    `problems` are those of create, update, delete or restore that the table does not imply.
    """
    add_reads(blueprint, kind, schema)
    add_create(blueprint, kind, schema, problems.get("create", ()))
    add_update(blueprint, kind, schema, problems.get("update", ()))
    add_delete(blueprint, kind, schema, problems.get("delete", ()))
    add_restore(blueprint, kind, schema, problems.get("restore", ()))


def add_reads(
    blueprint: Blueprint,
    kind: type[Reads[R]],
    schema: Schema,
    state_of: Callable[[Record], object] | None = None,
) -> None:
    """Add the list, and one by its id; other resources can refer to this one.

    `state_of` returns the part of a row that may differ while its version stays, for the ETag.
    """
    repository, dump = repository_of(kind), Dumper(schema)
    name = repository.model.__tablename__
    is_deletable = hasattr(repository.model, "deleted_at")
    known = ("include_deleted", *SELECTION) if is_deletable else SELECTION
    add_expandable(name, kind, schema)

    @blueprint.get(f"/{name}", endpoint=f"{name}_list")
    @allow_callers_of(kind, "page", parameters=None)
    @lists(schema, repository)
    @documented(f"List {plural(name)}.", _LIST)
    def list_all() -> Response:
        return list_response(repository, context.service(kind).page, dump)

    @blueprint.get(f"/{name}/<id:key>", endpoint=f"{name}_read")
    @allow_callers_of(kind, "get", parameters=known)
    @answers(schema)
    @documented(f"Read {with_article(singular(name))}.", _READ)
    def read(key: UUID) -> Response:
        service = context.service(kind)
        include_deleted = parameters.flag("include_deleted")
        return read_response(
            dump, lambda: service.get(key, include_deleted=include_deleted), state_of
        )


def add_create(
    blueprint: Blueprint, kind: type[Creates[R]], schema: Schema, problems: Problems = ()
) -> None:
    repository, dump, new = repository_of(kind), Dumper(schema), schema()
    name = repository.model.__tablename__
    known = (*conflicts_of(repository, new, "create"), *problems)

    @blueprint.post(f"/{name}", endpoint=f"{name}_create")
    @allow_callers_of(kind, "create")
    @answers(schema, status=201, body=schema, problems=known)
    @documented(f"Create {with_article(singular(name))}.", _CREATE)
    def create() -> Response:
        created = context.service(kind).create(bodies.load(new))
        return respond_with(dump.one(created), 201, location_of(name, created.id))


def add_update(
    blueprint: Blueprint,
    kind: type[Updates[R]],
    schema: Schema,
    problems: Problems = (),
    *,
    patch: Schema | None = None,
) -> None:
    """`patch` is the schema of an update, if it is not that of the resource."""
    repository, dump, changes = repository_of(kind), Dumper(schema), (patch or schema)(partial=True)
    name = repository.model.__tablename__
    known = (*conflicts_of(repository, schema(), "update"), *problems)

    @blueprint.patch(f"/{name}/<id:key>", endpoint=f"{name}_update")
    @allow_callers_of(kind, "update")
    @answers(schema, body=patch or schema, problems=known)
    @documented(f"Update {with_article(singular(name))}.", _UPDATE)
    def update(key: UUID) -> Response:
        values = bodies.load(changes)
        updated = context.service(kind).update(key, values, expected=expected_states())
        return respond_with(dump.one(updated), number=dump.number_of(updated))


def add_delete(
    blueprint: Blueprint, kind: type[Deletes[D]], schema: Schema, problems: Problems = ()
) -> None:
    repository = repository_of(kind)
    name = repository.model.__tablename__
    known = (*conflicts_of(repository, schema(), "delete"), *problems)

    @blueprint.delete(f"/{name}/<id:key>", endpoint=f"{name}_delete")
    @allow_callers_of(kind, "remove")
    @answers(status=204, problems=known)
    @documented(f"Delete {with_article(singular(name))}.", _DELETE)
    def delete(key: UUID) -> Response:
        context.service(kind).remove(key, expected=expected_states())
        return no_content()


def add_restore(
    blueprint: Blueprint, kind: type[Restores[D]], schema: Schema, problems: Problems = ()
) -> None:
    repository, dump = repository_of(kind), Dumper(schema)
    name = repository.model.__tablename__
    known = (*conflicts_of(repository, schema(), "restore"), *problems)

    @blueprint.post(f"/{name}/<id:key>/restore", endpoint=f"{name}_restore")
    @allow_callers_of(kind, "restore")
    @answers(schema, problems=known)
    @documented(f"Restore {with_article(f'deleted {singular(name)}')}.", _RESTORE)
    def restore(key: UUID) -> Response:
        bodies.load_nothing()
        restored = context.service(kind).restore(key, expected=expected_states())
        return respond_with(dump.one(restored), number=dump.number_of(restored))


def location_of(name: str, key: UUID) -> str:
    """A relative reference (RFC 9110, section 10.2.2): a client's Host header is never repeated."""
    return f"/v1/{name}/{key}"
