"""The session of a unit of work: SQLAlchemy's own, which leaves the transaction to `Database`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from .errors import Contention

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.orm import InstanceState

# Execution options of an ORM query:
INCLUDE_DELETED = "include_deleted"  # soft-deleted rows are wanted too
SAYS_LIVE = "says_live"  # it says by itself that only live rows are wanted


class UnitOfWorkError(RuntimeError):
    """The unit of work was used against its rules: a bug, not something to handle."""


class UnitSession(Session):
    """Bound to the connection of its unit of work; only flushes end in the database."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            bind=connection, expire_on_commit=False, join_transaction_mode="rollback_only"
        )
        self.flushing = False
        self._last_known: MutableMapping[object, dict[str, Any]] = WeakKeyDictionary()

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        self.flushing = True
        try:
            super().flush(objects)
        except StaleDataError as error:
            raise Contention("Another unit of work changed the row after it was read.") from error
        finally:
            self.flushing = False

    def commit(self) -> NoReturn:
        raise UnitOfWorkError("Only Database ends a transaction: leave the block instead.")

    def rollback(self) -> NoReturn:
        raise UnitOfWorkError("Only Database ends a transaction: raise an error instead.")

    def close(self) -> NoReturn:
        raise UnitOfWorkError("Only Database ends a transaction: leave the block instead.")

    def expire_rows(self, table: Table | None = None, *, only_added: bool = False) -> None:
        """The rows of a table, or of all tables, may have changed: forget what was loaded of them.

        A relationship that leads there is forgotten too: it was loaded on purpose, and reading
        it now raises where it would be stale.
        """
        for entity in list(self.identity_map.values()):
            state = inspect(entity)
            if not only_added and (table is None or table in state.mapper.tables):
                self._expire_columns(entity, state)
            stale = [
                relationship.key
                for relationship in state.mapper.relationships
                if relationship.key in state.dict
                and (table is None or table in relationship.mapper.tables)
            ]
            if stale:
                self.expire(entity, stale)

    def _expire_columns(self, entity: object, state: InstanceState[Any]) -> None:
        columns = state.mapper.column_attrs.keys()
        loaded = {name: value for name, value in state.dict.items() if name in columns}
        if loaded:
            self._last_known[entity] = {**self._last_known.get(entity, {}), **loaded}
        self.expire(entity, columns)

    def load_expired(self) -> None:
        """Read again what was expired and is still in use, so that it can leave the block.

        An object whose row is gone keeps the values it had last, as after `Session.delete`.
        """
        expired: dict[Mapper[Any], list[object]] = {}
        for entity in self.identity_map.values():
            state = inspect(entity)
            if not state.expired_attributes.isdisjoint(state.mapper.column_attrs.keys()):
                expired.setdefault(state.mapper, []).append(entity)
        for mapper, entities in expired.items():
            self._load(mapper, entities)
        self._last_known.clear()

    def _load(self, mapper: Mapper[Any], entities: Iterable[object]) -> None:
        by_key = {inspect(entity).identity: entity for entity in entities}
        rows = select(mapper).where(tuple_(*mapper.primary_key).in_(by_key))
        found = set(self.scalars(rows, execution_options={INCLUDE_DELETED: True}))
        for entity in set(by_key.values()) - found:
            for name, value in self._last_known.get(entity, {}).items():
                set_committed_value(entity, name, value)


def end(session: Session) -> None:
    """Detach the session's objects, with what they have loaded."""
    Session.close(session)
