"""Which loaded rows a statement may change, read off the statement and the tables' metadata."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Delete, Insert, Select, Table, Update
from sqlalchemy.dialects.postgresql.dml import OnConflictDoUpdate
from sqlalchemy.engine import Compiled
from sqlalchemy.sql.selectable import CompoundSelect, TextualSelect

from .marks import SIDE_EFFECTS
from .sql_text import is_plain_read

Effect = Mapping[Any, frozenset[str] | None] | None
"""For each table the columns that may differ in the rows that were there before; all of them, or
no row at all, where None. Empty for a table to which rows were only added. An effect of None is
one on every table."""

EVERYTHING: Effect = None
NOTHING: Effect = {}

_DML = (Insert, Update, Delete)


def effect_of(
    statement: Any, compiled: Compiled | None, sql: str, parameters: Iterable[str]
) -> Effect:
    """The effect of a statement that is sent as `sql`, with parameters of these names."""
    if isinstance(statement, _DML):
        effect = dml_effect(statement, parameters)
    elif isinstance(statement, Select | CompoundSelect) or is_plain_read(sql):
        effect = NOTHING
    else:
        return EVERYTHING
    for cte in getattr(compiled, "ctes", None) or ():
        effect = together(effect, _cte_effect(cte.element, parameters))
    return effect


def together(one: Effect, other: Effect) -> Effect:
    if not one or not other:
        return other if one == NOTHING else one if other == NOTHING else EVERYTHING
    effect = dict(one)
    for table, columns in other.items():
        before = effect.get(table, columns)
        effect[table] = None if columns is None or before is None else columns | before
    return effect


def may_remove_rows(effect: Effect) -> bool:
    return effect is None or None in effect.values()


def dml_effect(statement: Insert | Update | Delete, parameters: Iterable[str]) -> Effect:
    """Of one INSERT, UPDATE or DELETE, with what foreign keys and triggers add to it."""
    table: Any = statement.table
    if not isinstance(table, Table):
        return EVERYTHING
    changed = {table: _changed(statement, parameters)}
    return together(changed, consequences(statement, parameters))


def consequences(statement: Insert | Update | Delete, parameters: Iterable[str]) -> Effect:
    """The changes that foreign keys and triggers add to an INSERT, UPDATE or DELETE."""
    table: Any = statement.table
    known = len(table.metadata.tables)
    if not _has_consequences(table, known):
        return NOTHING
    return _consequences(table, _changed(statement, parameters), known)


def _changed(
    statement: Insert | Update | Delete, parameters: Iterable[str]
) -> frozenset[str] | None:
    """The columns that may differ in rows that were there before; None if rows may be deleted."""
    if isinstance(statement, Delete):
        return None
    if isinstance(statement, Update):
        return _names(statement._values or ()).union(parameters)  # noqa: SLF001 - SQLAlchemy has no public name for it
    clause = statement._post_values_clause  # noqa: SLF001 - SQLAlchemy has no public name for it
    if isinstance(clause, OnConflictDoUpdate):
        return _names(clause.update_values_to_set)
    return frozenset()


def _names(columns: Iterable[Any]) -> frozenset[str]:
    expressions = [getattr(column, "expression", column) for column in columns]
    return frozenset(getattr(column, "key", column) for column in expressions)


def _cte_effect(element: Any, parameters: Iterable[str]) -> Effect:
    if isinstance(element, _DML):
        return dml_effect(element, parameters)
    is_read = not isinstance(element, TextualSelect) or is_plain_read(str(element.element))
    return NOTHING if is_read else EVERYTHING


# The last argument of a cached function is the number of tables: what it found holds until another
# one is declared.


@lru_cache(maxsize=256)
def _has_consequences(table: Table, _known: int) -> bool:
    return bool(table.info.get(SIDE_EFFECTS)) or any(_referential_actions(table, None))


@lru_cache(maxsize=1024)
def _consequences(table: Table, columns: frozenset[str] | None, _known: int) -> Effect:
    effect = _trigger_effect(table)
    waiting = [*_referential_actions(table, columns)]
    while waiting and effect is not EVERYTHING:
        table, columns = waiting.pop()
        more = together(effect, {table: columns})
        if more != effect:
            effect = together(more, _trigger_effect(table))
            waiting.extend(_referential_actions(table, columns))
    return effect


def _trigger_effect(table: Table) -> Effect:
    declared = table.info.get(SIDE_EFFECTS, ())
    if declared is True:
        return EVERYTHING
    changed = (table.metadata.tables[name] for name in declared)
    return {other: frozenset(other.c.keys()) - set(other.primary_key.c.keys()) for other in changed}


def _referential_actions(
    table: Table, columns: frozenset[str] | None
) -> Iterator[tuple[Table, frozenset[str] | None]]:
    """The changes that the foreign keys to a table cause in the rows of others."""
    for other in table.metadata.tables.values():
        for key in other.foreign_keys:
            if key.column.table.fullname != table.fullname:
                continue
            if columns is None and _acts(key.ondelete):
                cascades = key.ondelete is not None and key.ondelete.upper() == "CASCADE"
                yield other, None if cascades else frozenset({key.parent.key})
            if (columns is None or key.column.key in columns) and _acts(key.onupdate):
                yield other, frozenset({key.parent.key})


def _acts(rule: str | None) -> bool:
    return rule is not None and rule.upper() not in {"RESTRICT", "NO ACTION"}
