"""Resources as JSON: whole, with some fields alone, with the rows to which they refer."""

from __future__ import annotations

from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

from app.api.kit import context
from app.api.kit.compiled import Dump
from app.api.kit.context import request_data
from app.api.kit.expansions import Expansion, expansions_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from marshmallow import Schema

    from app.api.kit.contract import AnyReader
    from app.api.kit.selection import Selection, Tree
    from app.db import Record

    Key = UUID | None

_UNREAD = object()


class Dumper:
    """Dumps a resource with the fields that its records have and its reader may see.

    Only admins are shown `deleted_at`, and only records found by `q=` have a `snippet`: each case
    has a schema of its own, for a record that lacks one of the schema's fields is dumped slowly.
    """

    def __init__(self, schema: type[Schema]) -> None:
        self.schema = schema
        self._numbered_by: str | None = getattr(schema, "numbered_by", None)
        self._dumps = {
            (for_admin, searched): Dump(_schema_of(schema, for_admin=for_admin, searched=searched))
            for for_admin in (True, False)
            for searched in (True, False)
        }

    def number_of(self, resource: object) -> int | None:
        """The number that the ETag of an entity or a record has after the version, if any."""
        name = self._numbered_by
        if name is None:
            return None
        number: int = resource[name] if isinstance(resource, dict) else getattr(resource, name)
        return number

    def one(self, resource: object) -> Record:
        return self._dump().one(resource)

    def many(self, resources: Sequence[object], *, searched: bool = False) -> list[Record]:
        return self._dump(searched=searched).many(resources)

    def selected(
        self, records: list[Record], selection: Selection, *, searched: bool = False
    ) -> list[Record]:
        """The selected parts; an expanded row is shown whether `fields` names it or not."""
        items = self.many(records, searched=searched)
        if (fields := selection.fields) is not None:
            items = [{name: item[name] for name in item if name in fields} for item in items]
        return self.expanded(items, records, selection.expand, selection.budget)

    def expanded(
        self, items: list[Record], records: list[Record], tree: Tree, budget: int
    ) -> list[Record]:
        """Add the rows to which they refer, or null where the caller may not read one.

        The items end before the first that refers to a row which was not read: see
        `Selection.budget`.
        """
        for name, below in tree.items():
            keys = [record[f"{name}_id"] for record in records[: len(items)]]
            found = _found(expansions_of(self.schema)[name], _distinct(keys), below, budget)
            shown = list(takewhile(lambda key: found.get(key) is not _UNREAD, keys))  # noqa: B023 - used at once
            items = items[: len(shown)]
            for item, key in zip(items, shown, strict=True):
                item[name] = found.get(key)
        return items

    def unselected(self, reader: AnyReader, selection: Selection) -> frozenset[str]:
        """The large columns that none of the selected fields shows."""
        if selection.fields is None:
            return frozenset()
        fields = self.schema().fields
        shown = {fields[name].attribute or name for name in selection.fields if name in fields}
        return reader.large_columns - shown

    def _dump(self, *, searched: bool = False) -> Dump:
        return self._dumps[request_data().actor.is_admin, searched]


def _schema_of(schema: type[Schema], *, for_admin: bool, searched: bool) -> Schema:
    hidden = set() if for_admin else {"deleted_at"} & schema().fields.keys()
    if not searched:
        fields = schema().fields.items()
        hidden |= {name for name, field in fields if field.metadata.get("searched")}
    return schema(exclude=hidden)


def _distinct(keys: list[Key]) -> list[UUID]:
    """In the order of their first use: so those that are not read are needed last."""
    return list(dict.fromkeys(key for key in keys if key is not None))


def _found(expansion: Expansion, keys: list[UUID], below: Tree, budget: int) -> dict[UUID, object]:
    """The resources with these keys, by one statement and one for each name below.

    Those that the caller may not read are missing; those that were not read are `_UNREAD`.
    """
    if not keys:
        return {}
    records = context.service(expansion.kind).get_many(keys, most_bytes=budget)
    rows, dumper = [record for record in records.values() if record], _dumper_of(expansion.schema)
    items = dumper.expanded(dumper.many(rows), rows, below, budget)
    return dict.fromkeys(records, _UNREAD) | dict(zip(records, items, strict=False))


@cache
def _dumper_of(schema: type[Schema]) -> Dumper:
    return Dumper(schema)
