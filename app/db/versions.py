"""The version at which a unit first saw a row guards what the unit writes to it.

SQLAlchemy compares the version that an object has when it is written. An object that was expired
and read again meanwhile has the newest one, and would overwrite another unit's change.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, MutableMapping, MutableSet
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, Session, SessionTransaction
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from .effects import Effect
from .expiry import State

CHANGED_ELSEWHERE = "Another unit of work changed the row after it was read."

# A row version that this transaction can see, and whose own transaction is in progress, is this
# transaction's or a savepoint's of it. xmin has 32 bits: the others are those of our transaction.
_DISTANCE = "pg_current_xact_id()::text::bigint - xmin::text::bigint"
_XMIN = (
    "(pg_current_xact_id()::text::bigint"
    f" - (({_DISTANCE} + 2147483648 & 4294967295) - 2147483648))::text::xid8"
)
_OURS: sa.ColumnElement[bool] = sa.literal_column(
    f"coalesce(pg_xact_status({_XMIN}) = 'in progress', false)", sa.Boolean
)


class FirstVersions:
    """The versions that objects had when they were expired, or first written in a savepoint.

    Objects that were loaded in a savepoint may be of a row that existed only in it.
    """

    def __init__(self) -> None:
        self._first: MutableMapping[State, Any] = WeakKeyDictionary()
        self._undone: MutableMapping[State, Any] = WeakKeyDictionary()
        self._savepoints: list[tuple[SessionTransaction | None, MutableSet[State]]] = []

    def note(self, states: Iterable[State]) -> None:
        for state in states:
            name = version_name(state.mapper)
            if name is not None and name in state.dict:
                self._first.setdefault(state, self._earliest(state, state.dict[name]))

    def _earliest(self, state: State, version: Any) -> Any:
        """The row may be back at an earlier version than a savepoint that rolled back showed."""
        return min(version, self._undone.pop(state, version))

    def read_again(self, state: State) -> None:
        """The unit read the row again on purpose: from now on the newest version counts."""
        self._first.pop(state, None)
        self._undone.pop(state, None)
        self.loaded(state)

    def enter(self, savepoint: SessionTransaction | None) -> None:
        self._savepoints.append((savepoint, WeakSet()))

    def loaded(self, state: State) -> None:
        if self._savepoints:
            self._savepoints[-1][1].add(state)

    def release(self, savepoint: SessionTransaction | None) -> None:
        for state in self._leave(savepoint):
            self.loaded(state)

    def roll_back(self, savepoint: SessionTransaction | None) -> None:
        for state in self._leave(savepoint):
            version = self._first.pop(state, None)
            if isinstance(version, int):  # others have no order
                self._undone[state] = version

    def _leave(self, savepoint: SessionTransaction | None) -> list[State]:
        left: list[State] = []
        while any(entered is savepoint for entered, _ in self._savepoints):
            left += self._savepoints.pop()[1]
        return left

    def check(self, session: Session) -> None:
        """Raise StaleDataError if another unit changed a row that is about to be written."""
        if not (self._first or self._undone or self._savepoints):
            return
        suspects: dict[Mapper[Any], list[State]] = defaultdict(list)
        for mapper, name, state in _written(session):
            if self._has_moved(state, getattr(state.obj(), name)):
                suspects[mapper].append(state)
        for mapper, states in suspects.items():
            if session.connection().execute(_rows(mapper, states).where(~_OURS)).first():
                raise StaleDataError(CHANGED_ELSEWHERE)

    def _has_moved(self, state: State, version: Any) -> bool:
        """Outside of savepoints the row is the unit's once it is written: SQLAlchemy's own check
        of the version will do."""
        if state in self._undone:
            self._first.setdefault(state, self._earliest(state, version))
        if self._savepoints:
            return bool(self._first.setdefault(state, version) != version)
        return bool(self._first.pop(state, version) != version)


@sa.event.listens_for(Mapper, "mapper_configured")
def _always_load_version(mapper: Mapper[Any], _: type[Any]) -> None:
    """As the primary key is, also by `load_only`: what is not loaded can't guard a write."""
    if mapper.version_id_col is not None:
        mapper._should_undefer_in_wildcard.add(mapper.version_id_col)  # noqa: SLF001 - SQLAlchemy has no public name for it


def follow_own_changes(session: Session, effect: Effect) -> None:
    """During a flush: give the objects that are still to be written the versions to which the unit
    itself has moved their rows, by triggers and in listeners."""
    moved: dict[Mapper[Any], list[State]] = defaultdict(list)
    for mapper, _, state in _written(session):
        if effect is None or any(table in effect for table in mapper.tables):
            moved[mapper].append(state)
    for mapper, states in moved.items():
        by_key = {state.identity: state for state in states}
        for *key, version in session.connection().execute(_rows(mapper, states).where(_OURS)):
            state = by_key[tuple(key)]
            set_committed_value(state.obj(), str(version_name(mapper)), version)


def _written(session: Session) -> Iterator[tuple[Mapper[Any], str, State]]:
    """The objects with a version that a flush changes or deletes."""
    for entity in (*session.dirty, *session.deleted):
        state = sa.inspect(entity)
        name = version_name(state.mapper)
        if name is not None:
            yield state.mapper, name, state


def _rows(mapper: Mapper[Any], states: Iterable[State]) -> sa.Select[Any]:
    keys = [state.identity for state in states]
    columns: tuple[Any, ...] = (*mapper.primary_key, mapper.version_id_col)
    return sa.select(*columns).where(sa.tuple_(*mapper.primary_key).in_(keys))


def version_name(mapper: Mapper[Any]) -> str | None:
    """The attribute that holds the version."""
    column = mapper.version_id_col
    return None if column is None else mapper.get_property_by_column(column).key
