"""Expire what a statement may have changed of the loaded objects, and read it again."""

from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    Session,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.util import find_tables

from .effects import Effect
from .marks import INCLUDE_DELETED

State = InstanceState[Any]


class LoadedRows:
    """The loaded objects of a session, and the last known values of those that are expired."""

    def __init__(self) -> None:
        self._last_known: MutableMapping[State, dict[str, Any]] = WeakKeyDictionary()

    def expire(self, session: Session, effect: Effect) -> None:
        """Forget the columns that may differ, and the relationships that may lead elsewhere.

        A relationship was loaded on purpose, and reading it now raises where it would be stale.
        """
        stale: dict[Mapper[Any], tuple[bool, list[str]]] = {}
        for entity in list(session.identity_map.values()):
            state = inspect(entity)
            mapper = state.mapper
            if mapper not in stale:
                relationships = [r.key for r in mapper.relationships if _is_stale(r, effect)]
                stale[mapper] = _are_columns_stale(mapper, effect), relationships
            are_columns_stale, relationships = stale[mapper]
            names = [name for name in relationships if name in state.dict]
            if are_columns_stale:
                names += self._remember(state)
            if names:
                session.expire(entity, names)
            state.expired |= are_columns_stale  # so that `get` looks whether its row is still there

    def _remember(self, state: State) -> Iterable[str]:
        known = state.dict.keys() & columns_in(state.mapper) | _unset(state)
        if known:
            values = {name: state.dict.get(name) for name in known}
            self._last_known.setdefault(state, {}).update(values)
        return known

    def load(self, session: Session) -> None:
        """Read again what was expired and is still in use."""
        expired: dict[Mapper[Any], list[State]] = {}
        for entity in session.identity_map.values():
            state = inspect(entity)
            if state.expired_attributes & columns_in(state.mapper):
                expired.setdefault(state.mapper, []).append(state)
        for mapper, states in expired.items():
            _read(session, mapper, states)

    def restore(self) -> None:
        """Give the objects whose rows are deleted the values that they had last."""
        for state, values in list(self._last_known.items()):
            if (entity := state.obj()) is not None:
                for name in values.keys() - state.dict.keys():
                    set_committed_value(entity, name, values[name])


def _read(session: Session, mapper: Mapper[Any], states: list[State]) -> None:
    keys = [state.identity for state in states]
    rows = select(mapper).where(tuple_(*mapper.primary_key).in_(keys))
    for entity in session.scalars(rows, execution_options={INCLUDE_DELETED: True}).all():
        deferred = inspect(entity).expired_attributes & columns_in(inspect(entity).mapper)
        if deferred:
            session.refresh(entity, deferred)


def _unset(state: State) -> frozenset[str]:
    """The columns that a new object left unset: they are None in its row, and not in its `dict`."""
    names = _undeferred(state.mapper).difference(state.dict)
    return names.difference(state.expired_attributes, state.callables) if names else names


@lru_cache(maxsize=1024)
def columns_in(mapper: Mapper[Any]) -> frozenset[str]:
    """The names of the attributes that are columns."""
    return frozenset(mapper.column_attrs.keys())


@lru_cache(maxsize=1024)
def _undeferred(mapper: Mapper[Any]) -> frozenset[str]:
    return frozenset(column.key for column in mapper.column_attrs if not column.deferred)


def _are_columns_stale(mapper: Mapper[Any], effect: Effect) -> bool:
    if effect is None:
        return True
    changed = [effect[table] for table in mapper.tables if table in effect]
    return any(columns is None or columns for columns in changed)


def _is_stale(relationship: RelationshipProperty[Any], effect: Effect) -> bool:
    """A collection leads elsewhere after any change of its tables, a reference to one object only
    after one of the columns that refer to it."""
    if effect is None:
        return True
    if relationship.direction is not RelationshipDirection.MANYTOONE:
        tables = {*relationship.mapper.tables, *(c.table for c in relationship.remote_side)}
        if relationship.secondary is not None:
            tables.update(find_tables(relationship.secondary, include_joins=True))
        return not tables.isdisjoint(effect)
    columns = relationship.local_columns | relationship.remote_side
    changed = [(column, effect[column.table]) for column in columns if column.table in effect]
    return any(names is None or column.key in names for column, names in changed)
