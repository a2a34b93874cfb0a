"""The engines behind a Database: the primary's and the replica's, made at the first use."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, Protocol
from weakref import ref

from psycopg2 import OperationalError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import TimeoutError  # noqa: A004 - of the pool

from .dialect import DRIVER
from .driver_connection import DriverConnection
from .engine_options import EngineOptions
from .errors import PoolExhausted
from .json_text import to_json
from .replica import Replica
from .session import UnitOfWorkError


class _SealedEngine(Engine):
    """The `engine` of a unit's connection: others would open connections outside the unit."""

    def raw_connection(self) -> NoReturn:
        raise UnitOfWorkError(
            "Only Database opens connections: use `database.connect()`, `database.session()` or the"
            " handle of the open unit of work."
        )


class _EnginePair(NamedTuple):
    engine: Engine
    sealed: Engine


class Engines:
    """`url` may be a function; it is called before the first connection, and after one failed."""

    def __init__(
        self,
        url: str | Callable[[], str],
        replica_url: str | None,
        *,
        replica_max_lag: float | None,
        on_error: Callable[[ExceptionContext], BaseException | None],
        options: EngineOptions,
    ) -> None:
        self._url = url
        self._replica_url = replica_url
        self._replica_max_lag = replica_max_lag
        self._options = options
        self._lock = threading.Lock()
        self._on_error = on_error

    def connect(self, *, replica: bool) -> Connection:
        """A connection of the pool, to the replica if that may be used; raises PoolExhausted."""
        if replica and self._replica_url:
            with self._lock:
                state = self._replica_state
            if (connection := state.connection()) is not None:
                return connection
        with self._lock:
            pair = self.primary
        return _connect(pair)

    def _connect_to_replica(self) -> Connection:
        with self._lock:
            pair = self.replica
        return _connect(pair)

    @property
    def url(self) -> str:
        return self._url() if callable(self._url) else self._url

    @cached_property
    def primary(self) -> _EnginePair:
        pair = self._create(self.url)
        event.listen(pair.engine, "do_connect", self._connect)
        return pair

    @cached_property
    def replica(self) -> _EnginePair:
        # Without this timeout a unit waits for a quarter of an hour on a connection whose server
        # lost its power or its network.
        unanswered = {"tcp_user_timeout": 1000 * int(self._options.connect_args["connect_timeout"])}
        return self._create(self._replica_url or self.url, unanswered, ping_on_input=True)

    @cached_property
    def _replica_state(self) -> Replica:
        return Replica(self._connect_to_replica, self._replica_max_lag)

    def dispose(self, *, close: bool = True) -> None:
        """Without `close` the connections are forgotten: they are the parent process's."""
        for name in ("primary", "replica"):
            if pair := self.__dict__.pop(name, None):
                pair.engine.dispose(close=close)

    def start_afresh(self) -> None:
        self._lock = threading.Lock()
        self.__dict__.pop("_replica_state", None)
        self.dispose(close=False)

    def _create(
        self,
        url: str,
        connect_args: Mapping[str, Any] = MappingProxyType({}),
        **dialect_options: bool,
    ) -> _EnginePair:
        options = {
            **dialect_options,
            "json_serializer": to_json,
            "hide_parameters": True,  # they are personal data, and errors go into logs
            "pool_pre_ping": True,  # the dialect tests only connections that were idle for long
            **self._options.engine_arguments,
            "connect_args": {
                **connect_args,
                **self._options.connect_args,
                "client_encoding": "UTF8",  # all text of Python can be sent, on every path
                "connection_factory": DriverConnection,
            },
        }
        engine = create_engine(make_url(url).set(drivername=DRIVER), **options)
        event.listen(engine, "handle_error", self._on_error)
        sealed = _SealedEngine(engine.pool, engine.dialect, engine.url, hide_parameters=True)
        return _EnginePair(engine, sealed)

    def _connect(
        self, dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> DBAPIConnection:
        try:
            return dialect.connect(*arguments, **options)
        except OperationalError:
            if not callable(self._url):
                raise
            self._url()  # the embedded server may have crashed: this starts it again
            return dialect.connect(*arguments, **options)


def _connect(pair: _EnginePair) -> Connection:
    try:
        connection = pair.engine.connect()
    except TimeoutError as error:
        raise PoolExhausted("All connections to the database are in use.") from error
    connection.engine = pair.sealed
    return connection


class _Forgetful(Protocol):
    def start_afresh(self) -> None: ...


def start_afresh_after_fork(database: _Forgetful) -> None:
    """A forked child must not talk on its parent's sockets, nor join its unit of work."""
    reference = ref(database)

    def in_child() -> None:
        if (database := reference()) is not None:
            database.start_afresh()

    os.register_at_fork(after_in_child=in_child)
