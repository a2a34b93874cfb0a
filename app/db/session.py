"""The session of a unit of work: SQLAlchemy's own, which leaves the transaction to `Database`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import (
    Mapper,
    ORMExecuteState,
    QueryContext,
    Session,
    SessionTransaction,
    SessionTransactionOrigin,
)
from sqlalchemy.orm.exc import StaleDataError

from .effects import EVERYTHING, NOTHING, Effect, together
from .errors import Contention, StaleObject, UnitOfWorkError
from .expiry import LoadedRows
from .undo import ObjectsBefore
from .versions import CHANGED_ELSEWHERE, FirstVersions, follow_own_changes

T = TypeVar("T")

CHANGED_SINCE = (
    "Another unit of work changed the row after it was read outside of this one: read it again."
)


class CoreSavepoint(SessionTransaction):
    """Follows a savepoint that Core has set, so that the session takes back what it undoes.

    It sends nothing itself: the statements are Core's.
    """

    def _connection_for_bind(self, bind: Any, execution_options: Any) -> Connection:
        outside: Any = self.parent
        connection: Connection = outside._connection_for_bind(bind, execution_options)  # noqa: SLF001 - the same method of its own class
        return connection


class UnitSession(Session):
    """Bound to the connection of its unit of work; only flushes end in the database."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            bind=connection, expire_on_commit=False, join_transaction_mode="rollback_only"
        )
        self.in_flush = False
        self.sets_savepoint = False
        self.versions = FirstVersions()
        self._are_versions_checked = True
        self._later: Effect = NOTHING
        self._loaded = LoadedRows()
        self.before = ObjectsBefore()
        self._core_savepoints: dict[str, CoreSavepoint] = {}

    @property
    def flushing(self) -> bool:
        """Also true while a legacy bulk method writes."""
        return self._flushing

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        if not self._flushing and self._is_clean():
            return
        if self._flushing:
            super().flush(objects)  # raises
            return
        self.in_flush, self._are_versions_checked, self._later = True, False, NOTHING
        try:
            super().flush(objects)
        except StaleDataError as error:
            if self.before.has_written_outside:
                raise StaleObject(CHANGED_SINCE) from error
            raise Contention(CHANGED_ELSEWHERE) from error
        finally:
            self.in_flush = False
        if self._later != NOTHING:
            self._loaded.expire(self, self._later)

    def _bulk_save_mappings(self, *arguments: Any, **options: Any) -> None:
        """All legacy bulk methods call this one: they write rows, and know no objects."""
        self.flush()
        super()._bulk_save_mappings(*arguments, **options)

    def merge(self, instance: T, **options: Any) -> T:
        try:
            return super().merge(instance, **options)
        except StaleDataError as error:
            raise StaleObject(CHANGED_SINCE) from error

    def _refuse_to_end(self) -> NoReturn:
        raise UnitOfWorkError("Only Database ends a transaction: leave the block, or raise.")

    commit = rollback = close = _refuse_to_end

    # Staleness

    def expire_rows(self, effect: Effect = EVERYTHING) -> None:
        """The rows of some tables, or of all, may have changed: forget what was loaded of them.

        During a flush objects have values that are not yet written, so it waits for its end.
        """
        if self.in_flush:
            self._later = together(self._later, effect)
            follow_own_changes(self, effect)
        else:
            self._loaded.expire(self, effect)

    def load_expired(self) -> None:
        self._loaded.load(self)

    def leave(self) -> None:
        """Load what is expired, before objects leave the unit.

        An object whose row is deleted keeps its last values, as after `Session.delete`.
        """
        self._loaded.load(self)
        self._loaded.restore()

    def expire(self, instance: object, attribute_names: Iterable[str] | None = None) -> None:
        self.versions.note([inspect(instance)])
        super().expire(instance, attribute_names)

    def expire_all(self) -> None:
        self.versions.note(map(inspect, self.identity_map.values()))
        super().expire_all()

    def refresh(self, instance: object, *arguments: Any, **options: Any) -> None:
        super().refresh(instance, *arguments, **options)
        self.versions.read_again(inspect(instance))

    def check_versions(self) -> None:
        """Before the first statement of a flush, when all listeners have run."""
        if not self._are_versions_checked:
            self._are_versions_checked = True
            self.before.note_flush(self)
            self.versions.check(self)

    # Savepoints

    def begin_nested(self) -> SessionTransaction:
        """Send SAVEPOINT at once: Core statements would run outside of it otherwise."""
        savepoint = super().begin_nested()
        self.sets_savepoint = True
        try:
            self.connection()
        finally:
            self.sets_savepoint = False
        return savepoint

    @property
    def innermost_savepoint(self) -> SessionTransaction | None:
        return self._nested_transaction

    def follow_savepoint(self, name: str) -> None:
        """Follow a savepoint of Core."""
        origin = SessionTransactionOrigin.BEGIN_NESTED
        savepoint = CoreSavepoint(self, origin, self._transaction)
        self._core_savepoints[name] = self._nested_transaction = savepoint

    def enter_savepoint(self) -> None:
        self.versions.enter(self.innermost_savepoint)
        if not event.contains(self, "loaded_as_persistent", _note_loaded):
            event.listen(self, "loaded_as_persistent", _note_loaded)

    def undo_savepoint(self, savepoint: SessionTransaction) -> None:
        self._loaded.expire(self, EVERYTHING)
        self.versions.roll_back(savepoint)

    def end_core_savepoint(self, name: str, end: Callable[[CoreSavepoint], None]) -> None:
        savepoint = self._core_savepoints.pop(name, None)
        if savepoint is not None:
            end(savepoint)


def _note_loaded(session: UnitSession, entity: object) -> None:
    session.versions.loaded(inspect(entity))


@event.listens_for(UnitSession, "after_attach")
def _note_outside(session: UnitSession, entity: object) -> None:
    state = inspect(entity)
    if state.key is not None:
        session.before.note_outside(state)


@event.listens_for(UnitSession, "persistent_to_transient")
def _restore_new(session: UnitSession, entity: object) -> None:
    session.before.restore_new(inspect(entity))


@event.listens_for(UnitSession, "after_soft_rollback")
def _expire_undone(session: UnitSession, ended: SessionTransaction) -> None:
    """Expire what a savepoint undid. A flush that fails ends its own transaction and that one."""
    savepoint = ended if ended.nested else ended.parent
    if savepoint is not None and savepoint.nested:
        session.undo_savepoint(savepoint)


@event.listens_for(UnitSession, "do_orm_execute")
def _read_locked_rows_again(state: ORMExecuteState) -> None:
    """Values that were read before the lock may be stale: writing them would lose an update."""
    if getattr(state.statement, "_for_update_arg", None) is not None:
        state.update_execution_options(populate_existing=True)


@event.listens_for(Mapper, "refresh")
def _renew_version(entity: object, context: QueryContext, _: Any) -> None:
    """From now on the version of a row that is read again on purpose guards it."""
    if context.populate_existing and isinstance(context.session, UnitSession):
        context.session.versions.read_again(inspect(entity))
