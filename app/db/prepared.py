"""Statements that SQLAlchemy compiles once and psycopg2 executes: as fast as psycopg2 by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast
from weakref import WeakKeyDictionary

import orjson
import psycopg2
from psycopg2.extensions import new_type, register_type
from sqlalchemy import TextClause
from sqlalchemy.exc import PendingRollbackError

from .coherence import after_statement, before_statement
from .effects import NOTHING, Effect
from .errors import UnitOfWorkError
from .sql_text import ends_transaction

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
    from sqlalchemy import Connection, Executable
    from sqlalchemy.engine import Dialect

    from .driver_connection import DriverConnection
    from .unit import UnitOfWork

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
Casts = tuple[Any, ...]
Convert = Callable[[Any], Any]
_LONGEST_NAME = 63  # bytes
_NONE: Parameters = MappingProxyType({})


WRITTEN_IDS = new_type((2950,), "WRITTEN_IDS", psycopg2.STRING)
"""Reads UUIDs as text. Making UUIDs costs more than all the rest of reading a row."""

WRITTEN_JSON = new_type((114,), "WRITTEN_JSON", lambda text, _: text and orjson.Fragment(text))
"""Reads json, not jsonb, as PostgreSQL wrote it, for orjson to pass on: nobody parses it."""


class Prepared:
    """A Core statement that is executed often, with bind parameters for all that may differ.

    In its unit of work it is a statement like any other; only SQLAlchemy's events of statements are
    not called. An INSERT or UPDATE names the columns whose defaults are functions of Python's:
    TypeError. Results are read at once.
    """

    def __init__(self, statement: Executable, casts: Casts = ()) -> None:
        """`casts` are psycopg2's type casters for its results, instead of the connection's."""
        self.statement: Any = statement
        self._casts = casts
        self._compiled: WeakKeyDictionary[Dialect, _Compiled] = WeakKeyDictionary()

    def rows(self, connection: Connection, parameters: Parameters = _NONE) -> list[Row]:
        return self._of(connection).fetch(connection, parameters)[1]

    def records(
        self, connection: Connection, parameters: Parameters = _NONE
    ) -> list[dict[str, Any]]:
        """The rows as dicts, by the names of the columns."""
        names, rows = self._of(connection).fetch(connection, parameters)
        return [dict(zip(names, row)) for row in rows]  # noqa: B905 - of one length, and faster so

    def record(
        self, connection: Connection, parameters: Parameters = _NONE
    ) -> dict[str, Any] | None:
        """The first row as a dict; None where there is none."""
        return next(iter(self.records(connection, parameters)), None)

    def scalar(self, connection: Connection, parameters: Parameters = _NONE) -> Any:
        """The first value of the first row; None where there is none."""
        return next((row[0] for row in self.rows(connection, parameters)), None)

    def execute(self, connection: Connection, parameters: Parameters = _NONE) -> int:
        """Returns how many rows the statement found or changed."""
        with self._of(connection).send(connection, parameters) as cursor:
            return cursor.rowcount

    def _of(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect)
        if compiled is None:
            compiled = _Compiled(self.statement, dialect, self._casts)
            self._compiled[dialect] = compiled
        return compiled


class _Compiled:
    """The statement in the SQL of one dialect, with what its values need on their way."""

    def __init__(self, statement: Any, dialect: Dialect, casts: Casts) -> None:
        self.statement = statement
        self._casts = casts
        self.compiled = compiled = statement.compile(dialect=dialect)
        if isinstance(statement, TextClause) and ends_transaction(compiled.string):
            raise UnitOfWorkError("The statement ends the transaction: only Database may.")
        self._dialect = dialect
        self.sql: str = compiled.string
        self.options: Mapping[str, Any] = statement.get_execution_options()
        self._is_expanded = bool(compiled.post_compile_params)
        named = compiled.bind_names.items()
        self._constants = {name: bind.value for bind, name in named if not bind.required}
        self._constants |= _defaults(compiled)
        self._encoders = _encoders(compiled, dialect)
        self._result: _Result | None = None

    def fetch(
        self, connection: Connection, parameters: Parameters
    ) -> tuple[tuple[str, ...], list[Row]]:
        """The names of the columns, and the rows."""
        cursor = self.send(connection, parameters)
        result = self._result
        if result is None:
            result = self._result = _Result(self.statement, cursor.description or (), self._dialect)
        rows = cursor.fetchall()
        cursor.close()
        return result.names, result.decode(rows) if result.decoders else rows

    def send(self, connection: Connection, parameters: Parameters) -> Cursor:
        driver = cast("DriverConnection", connection.connection.dbapi_connection)
        unit = cast("UnitOfWork", driver.unit)
        execution = _Execution(self, parameters)
        before_statement(unit, execution)
        if not connection.in_transaction():  # a flush that failed has rolled it back
            raise PendingRollbackError("The transaction of the unit is rolled back already.")
        cursor = driver.statement_cursor()
        for caster in self._casts:
            register_type(caster, cursor)
        try:
            sql, encoded = self._encode(parameters)
            cursor.execute(driver.prologue() + sql, encoded)
            driver.check_not_ended()
        except BaseException as error:  # noqa: BLE001 - it always raises
            _translate(connection, error, cursor, execution)
        after_statement(unit, execution)
        return cursor

    def _encode(self, parameters: Parameters) -> tuple[str, Parameters]:
        if self._is_expanded:
            return self._expand(parameters)
        if not self._encoders and not self._constants:
            return self.sql, parameters
        encoded = {**self._constants, **parameters}
        for name, encode in self._encoders:
            encoded[name] = encode(encoded[name])
        return self.sql, encoded

    def _expand(self, parameters: Parameters) -> tuple[str, Parameters]:
        """Of an `in_`, whose SQL depends on how many values there are."""
        state = self.compiled.construct_expanded_state(dict(parameters))
        encoded = dict(state.parameters)
        for name, encode in state.processors.items():
            encoded[name] = encode(encoded[name])
        return state.statement, encoded


def _defaults(compiled: Any) -> dict[str, Any]:
    """The constant defaults of Python's; raises TypeError for others, which would be left out."""
    places = {**dict.fromkeys(compiled.insert_prefetch, "default")}
    places |= dict.fromkeys(compiled.update_prefetch, "onupdate")
    found = {column.key: getattr(column, place) for column, place in places.items()}
    if missing := [name for name, default in found.items() if not default.is_scalar]:
        raise TypeError(f"A prepared statement has to name {', '.join(missing)}.")
    return {name: default.arg for name, default in found.items()}


def _encoders(compiled: Any, dialect: Dialect) -> list[tuple[str, Convert]]:
    found = [
        (name, bind.type.dialect_impl(dialect).bind_processor(dialect))
        for bind, name in compiled.bind_names.items()
    ]
    return [(name, encode) for name, encode in found if encode is not None]


class _Result:
    """The names of the columns, and how the values of some are made from the driver's."""

    def __init__(self, statement: Any, description: Sequence[Any], dialect: Dialect) -> None:
        declared = dict(enumerate(getattr(statement, "exported_columns", ())))
        self.names = tuple(_name(read, declared.get(at)) for at, read in enumerate(description))
        found = [
            (at, column.type.dialect_impl(dialect).result_processor(dialect, read.type_code))
            for at, read in enumerate(description)
            if (column := declared.get(at)) is not None
        ]
        self.decoders = [(place, decode) for place, decode in found if decode is not None]

    def decode(self, rows: list[Row]) -> list[Row]:
        decoded = [list(row) for row in rows]
        for place, decode in self.decoders:
            for row in decoded:
                row[place] = decode(row[place])
        return list(map(tuple, decoded))


def _name(read: Any, declared: Any) -> str:
    """PostgreSQL shortens a name to 63 bytes; the declared one of an expression is no name."""
    is_short = declared is None or len(read.name.encode()) < _LONGEST_NAME
    return str(read.name if is_short else declared.key)


class _Execution:
    """What the rules around a statement ask of SQLAlchemy's own execution context."""

    __slots__ = (
        "compiled",
        "compiled_parameters",
        "effect",
        "execution_options",
        "invoked_statement",
        "statement",
    )
    executemany = False

    def __init__(self, of: _Compiled, parameters: Parameters) -> None:
        self.invoked_statement = of.statement
        self.compiled = of.compiled
        self.statement = of.sql
        self.compiled_parameters = (parameters,)
        self.execution_options = of.options
        self.effect: Effect = NOTHING

    def handle_dbapi_exception(self, error: BaseException) -> None:
        """SQLAlchemy calls it for each error of the driver."""


def _translate(
    connection: Connection, error: BaseException, cursor: Cursor, execution: _Execution
) -> NoReturn:
    """Raise the error that SQLAlchemy raises for it, and give up a connection that was lost."""
    handle: Callable[..., NoReturn] = connection._handle_dbapi_exception  # noqa: SLF001 - it has no public one
    handle(error, execution.statement, None, cursor, execution)
