"""Resources as JSON: whole, with some fields alone, with what they refer to in full."""

from __future__ import annotations

from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from flask import g

from app.api.kit import context
from app.api.kit.compiled import Dump
from app.api.kit.expansions import Expansion, expansions_of

if TYPE_CHECKING:
    from marshmallow import Schema

    from app.api.kit.selection import Selection, Tree
    from app.db import Reader, Record

    Item = dict[str, Any]

_UNREAD = object()


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
        return self.expanded(items, records, selection.expand, self.budget(selection))

    def expanded(
        self, items: list[Item], records: list[Record], tree: Tree, budget: int
    ) -> list[Item]:
        """With what they refer to beside its id, or null where it is not to be seen.

        The items end before the first that refers to a row which was not read: see `budget`.
        """
        for name, below in tree.items():
            keys = [record[f"{name}_id"] for record in records[: len(items)]]
            found = _found(expansions_of(self.schema)[name], _distinct(keys), below, budget)
            shown = list(takewhile(lambda key: found.get(key) is not _UNREAD, keys))  # noqa: B023 - used at once
            items = items[: len(shown)]
            for item, key in zip(items, shown, strict=True):
                item[name] = found.get(key)
        return items

    def budget(self, selection: Selection) -> int:
        """The bytes of large values that each read for a page may have, expansions included.

        So all of them together have no more than what an answer may hold.
        """
        return context.settings().max_answer // (1 + _count(selection.expand))

    def unselected(self, reader: Reader[Any], selection: Selection) -> frozenset[str]:
        """The large columns that none of the selected fields shows."""
        if selection.fields is None:
            return frozenset()
        fields = self.schema().fields
        shown = {fields[name].attribute or name for name in selection.fields if name in fields}
        return reader.large_columns - shown

    def _dump(self, *, searched: bool = False) -> Dump:
        return self._dumps[g.actor.is_admin, searched]


def _schema_of(schema: type[Schema], *, for_admin: bool, searched: bool) -> Schema:
    hidden = set() if for_admin else {"deleted_at"} & schema().fields.keys()
    if not searched:
        fields = schema().fields.items()
        hidden |= {name for name, field in fields if field.metadata.get("searched")}
    return schema(exclude=hidden)


def _distinct(keys: list[Any]) -> list[Any]:
    """In the order of their first use: so those that are not read are needed last."""
    return list(dict.fromkeys(key for key in keys if key is not None))


def _found(expansion: Expansion, keys: list[Any], below: Tree, budget: int) -> dict[Any, Any]:
    """The resources with these keys, by one statement and one for each name below.

    Those that are not to be seen are missing; those that were not read are `_UNREAD`.
    """
    if not keys:
        return {}
    records = context.service(expansion.kind).get_many(keys, most_bytes=budget)
    rows, dumper = [record for record in records.values() if record], _dumper_of(expansion.schema)
    items = dumper.expanded(dumper.many(rows), rows, below, budget)
    return dict.fromkeys(records, _UNREAD) | dict(zip(records, items, strict=False))


def _count(tree: Tree) -> int:
    return sum(1 + _count(below) for below in tree.values())


@cache
def _dumper_of(schema: type[Schema]) -> Dumper:
    return Dumper(schema)
