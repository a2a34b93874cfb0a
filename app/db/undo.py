"""The values of objects before a unit of work wrote them: a rollback restores them.

SQLAlchemy makes new objects transient again, with all values of the first INSERT, and expires the
others. A second write of those would read their rows again, and overwrite what another unit has
changed since.
"""

from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import inspect
from sqlalchemy.orm import LoaderCallableStatus, Mapper, PassiveFlag, Session
from sqlalchemy.orm.attributes import History, set_attribute, set_committed_value

from .expiry import State, columns_in

Values = MutableMapping[State, dict[str, Any]]


_UNKNOWN = LoaderCallableStatus.NO_VALUE  # of an attribute that was written before it was read


class ObjectsBefore:
    """The objects that one session inserts, writes, or was given from outside its unit."""

    def __init__(self) -> None:
        self._new: Values = WeakKeyDictionary()
        self._related: MutableMapping[State, dict[str, list[Any]]] = WeakKeyDictionary()
        self._written: Values = WeakKeyDictionary()
        self._outside: MutableMapping[State, dict[str, History]] = WeakKeyDictionary()

    def note_outside(self, state: State) -> None:
        passive = PassiveFlag.PASSIVE_NO_INITIALIZE
        names = state.dict.keys() & state.manager.keys()
        self._outside[state] = {name: state.get_history(name, passive) for name in names}

    def note_flush(self, session: Session) -> None:
        for entity in session.new:
            state = inspect(entity)
            names = columns_in(state.mapper) & state.dict.keys()
            self._new[state] = {name: state.dict[name] for name in names}
            self._related[state] = _related(state)
        for entity in (*session.dirty, *session.deleted):
            self._note_written(inspect(entity))

    def _note_written(self, state: State) -> None:
        if state in self._written or state in self._new:
            return
        before = {**state.dict, **state.committed_state}
        names = columns_in(state.mapper) & state.dict.keys()
        self._written[state] = {
            name: before[name] for name in names if before[name] is not _UNKNOWN
        }

    @property
    def has_written_outside(self) -> bool:
        """Whether the unit writes an object from outside: a retry would write it again."""
        return any(state in self._written for state in self._outside)

    def restore_new(self, state: State) -> None:
        """Undo an INSERT in the object, but for the keys: objects refer to each other by them."""
        if state not in self._new:
            return
        before = self._new.pop(state)
        for name in columns_in(state.mapper) - _keys(state.mapper) - before.keys():
            state.dict.pop(name, None)
        _restore_columns(state, before)
        _restore_related(state, self._related.pop(state))

    def roll_back(self, session: Session) -> None:
        """Detach all objects of the session, as they were before the unit."""
        for entity in list(session.identity_map.values()):
            state = inspect(entity)
            if state.modified or state in self._outside:
                self._note_written(state)
            elif state not in self._written and state not in self._new:
                session.expunge(entity)  # rolling back would expire it
        try:
            Session.rollback(session)
        finally:
            Session.close(session)
            self._restore()

    def _restore(self) -> None:
        for state, values in self._written.items():
            if state not in self._outside:
                _restore_columns(state, values)
        for state, histories in self._outside.items():
            _restore_changes(state, histories)


def _restore_columns(state: State, values: dict[str, Any]) -> None:
    entity = state.obj()
    for name, value in values.items() if entity is not None else ():
        set_committed_value(entity, name, value)


def _related(state: State) -> dict[str, list[Any]]:
    """The objects to which the loaded relationships lead."""
    names = state.dict.keys() & state.mapper.relationships.keys()
    passive = PassiveFlag.PASSIVE_NO_INITIALIZE
    return {name: list(state.get_history(name, passive).non_deleted()) for name in names}


def _restore_related(state: State, related: dict[str, list[Any]]) -> None:
    """Mark them as changes still to be written: a flush writes no unchanged relationship."""
    entity = state.obj()
    for name, before in related.items() if entity is not None else ():
        if _related(state).get(name) != before:
            set_committed_value(entity, name, _value(state, name, before))
        state.committed_state[name] = LoaderCallableStatus.NO_VALUE


def _restore_changes(state: State, histories: dict[str, History]) -> None:
    """Restore the changes from outside the unit, which it was to write."""
    entity = state.obj()
    for name, (added, unchanged, deleted) in histories.items() if entity is not None else ():
        before, after = [*unchanged, *deleted], [*unchanged, *added]
        value = _value(state, name, before)
        if before or value is not None:
            set_committed_value(entity, name, value)
        if added or deleted:
            set_attribute(entity, name, _value(state, name, after))


def _value(state: State, name: str, members: list[Any]) -> Any:
    """The attribute's value: all members where it is a collection, else the only one."""
    is_list = bool(getattr(state.manager[name].impl, "collection", False))
    return members if is_list else next(iter(members), None)


@lru_cache(maxsize=1024)
def _keys(mapper: Mapper[Any]) -> frozenset[str]:
    """The attributes of primary and foreign keys."""
    return frozenset(
        attribute.key
        for attribute in mapper.column_attrs
        if any(column.primary_key or column.foreign_keys for column in attribute.columns)
    )
