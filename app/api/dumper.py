"""Resources as JSON: whole, with some fields alone, with what they refer to in full."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from flask import g

from app.api import context
from app.api.compiled import Dump
from app.api.expansions import Thing, expansions_of

if TYPE_CHECKING:
    from marshmallow import Schema

    from app.api.selection import Selection, Tree
    from app.repositories import Record

    Item = dict[str, Any]


class Dumper:
    """Dumps a resource with the fields that its records have and its reader may see.

    Only admins are shown `deleted_at`, and only records found by `q=` have a `snippet`: each case
    has a schema of its own, for a record that lacks one of the schema's fields is dumped slowly.
    """

    def __init__(self, schema: type[Schema]) -> None:
        self.schema = schema
        self._dumps = {
            (for_admin, searched): Dump(_schema_of(schema, for_admin=for_admin, searched=searched))
            for for_admin in (True, False)
            for searched in (True, False)
        }

    def number_of(self, resource: Any) -> int | None:
        """What the ETag of an entity or a record holds after the version, if anything."""
        name = getattr(self.schema, "numbered_by", None)
        if name is None:
            return None
        number: int = resource[name] if isinstance(resource, dict) else getattr(resource, name)
        return number

    def one(self, resource: Any) -> Item:
        dumped: Item = self._dump().one(resource)
        return dumped

    def many(self, resources: list[Any], *, searched: bool = False) -> list[Item]:
        dumped: list[Item] = self._dump(searched=searched).many(resources)
        return dumped

    def selected(
        self, records: list[Record], selection: Selection, *, searched: bool = False
    ) -> list[Item]:
        """As asked for; what is expanded is shown whether `fields` names it or not."""
        items = self.many(records, searched=searched)
        if (fields := selection.fields) is not None:
            items = [{name: item[name] for name in item if name in fields} for item in items]
        return self.expanded(items, records, selection.expand)

    def expanded(self, items: list[Item], records: list[Record], tree: Tree) -> list[Item]:
        """With what they refer to beside its id, or null where it is not to be seen."""
        for name, below in tree.items():
            thing = expansions_of(self.schema)[name]
            keys = [record[f"{name}_id"] for record in records]
            found = _found(thing, {key for key in keys if key is not None}, below)
            for item, key in zip(items, keys, strict=True):
                item[name] = found.get(key)
        return items

    def _dump(self, *, searched: bool = False) -> Dump:
        return self._dumps[g.actor.is_admin, searched]


def _schema_of(schema: type[Schema], *, for_admin: bool, searched: bool) -> Schema:
    hidden = set() if for_admin else {"deleted_at"} & schema().fields.keys()
    if not searched:
        fields = schema().fields.items()
        hidden |= {name for name, field in fields if field.metadata.get("searched")}
    return schema(exclude=hidden)


def _found(thing: Thing, keys: set[Any], below: Tree) -> dict[Any, Item]:
    """What is there of it, by id, in one statement and one for each name below."""
    if not keys:
        return {}
    records = context.service(thing.kind).get_many(keys)
    rows, dumper = list(records.values()), _dumper_of(thing.schema)
    items = dumper.expanded(dumper.many(rows), rows, below)
    return dict(zip(records, items, strict=True))


@cache
def _dumper_of(schema: type[Schema]) -> Dumper:
    return Dumper(schema)
