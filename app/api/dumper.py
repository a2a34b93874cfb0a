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
    """Dumps a resource as its reader may see it: only admins are shown `deleted_at`."""

    def __init__(self, schema: type[Schema]) -> None:
        self.schema = schema
        hidden = {"deleted_at"} & schema().fields.keys()
        self._whole = Dump(schema())
        self._without_deleted_at = Dump(schema(exclude=hidden))

    def one(self, resource: Any) -> Item:
        dumped: Item = self._dump.one(resource)
        return dumped

    def many(self, resources: list[Any]) -> list[Item]:
        dumped: list[Item] = self._dump.many(resources)
        return dumped

    def selected(self, records: list[Record], selection: Selection) -> list[Item]:
        """As asked for; what is expanded is shown whether `fields` names it or not."""
        items = self.many(records)
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

    @property
    def _dump(self) -> Dump:
        return self._whole if g.actor.is_admin else self._without_deleted_at


def _found(thing: Thing, keys: set[Any], below: Tree) -> dict[Any, Item]:
    """What is there of it, by id, in one statement and one for each name below."""
    records = context.service(thing.kind).get_many(keys)
    rows, dumper = list(records.values()), _dumper_of(thing.schema)
    items = dumper.expanded(dumper.many(rows), rows, below)
    return dict(zip(records, items, strict=True))


@cache
def _dumper_of(schema: type[Schema]) -> Dumper:
    return Dumper(schema)
