"""Objects to dicts whose JSON is that of marshmallow's `dump`; ids and times stay what they are."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from marshmallow import Schema, missing
from marshmallow.decorators import POST_DUMP, PRE_DUMP

from app.api.kit.compiled.dump_fields import Fields
from app.api.kit.compiled.source import UnknownError, function, inherits, leave

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.api.kit.compiled.source import Function
    from app.db import Record


_PLAIN = ("dump", "_serialize", "get_attribute", "dict_class")


class Dump:
    """Dumps one or many, whatever the `many` of the schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def one(self, record: object) -> Record:
        if type(record) is dict:
            whole, with_gaps = self._of_dicts
        elif hasattr(record, "__getitem__"):
            whole = with_gaps = partial(self._schema.dump, many=False)
        else:
            whole, with_gaps = self._of_objects
        try:
            dumped: Record = whole(record)
        except (AttributeError, KeyError, UnknownError):
            dumped = self._with_gaps(with_gaps, record)
        return dumped

    def _with_gaps(self, dump: Function, record: object) -> Record:
        """Slow, for a record that lacks a value or has an unusual one."""
        dumped: Record = dump(record)
        return dumped

    def many(self, records: Iterable[object]) -> list[Record]:
        if not self._is_known:
            dumped: list[Record] = self._schema.dump(records, many=True)
            return dumped
        rows = list(records)
        try:
            if set(map(type, rows)) == {dict}:
                whole, _ = self._of_dicts
                return [whole(row) for row in rows]
        except (KeyError, UnknownError):
            pass  # one of them lacks a value or has an unusual one
        return [self.one(row) for row in rows]

    @property
    def source(self) -> str:
        """The function that dumps a dict with a value for every field."""
        return Fields(self._schema, "record[{!r}]", Dump).source

    @cached_property
    def _of_dicts(self) -> tuple[Function, Function]:
        return self._functions("record[{!r}]", "record.get({!r}, missing)")

    @cached_property
    def _of_objects(self) -> tuple[Function, Function]:
        return self._functions("getattr(record, {!r})", "getattr(record, {!r}, missing)")

    def _functions(self, read: str, read_or_miss: str) -> tuple[Function, Function]:
        """For records with a value for every field, and for all others."""
        if not self._is_known:
            return leave, partial(self._schema.dump, many=False)
        whole = Fields(self._schema, read, Dump)
        gaps = Fields(self._schema, read_or_miss, Dump, may_miss=True)
        return (
            function("dump", whole.source, whole.names),
            _without_gaps(function("dump", gaps.source, gaps.names)),
        )

    @cached_property
    def _is_known(self) -> bool:
        hooks = self._schema._hooks  # noqa: SLF001 - marshmallow offers no public access
        return inherits(self._schema, Schema, *_PLAIN) and not (hooks[PRE_DUMP] or hooks[POST_DUMP])


def _without_gaps(dump: Function) -> Function:
    return lambda record: {
        key: value for key, value in dump(record).items() if value is not missing
    }
