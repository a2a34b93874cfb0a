"""The engines behind a Database: the primary's and the replica's, created at the first use."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple, NoReturn
from weakref import WeakMethod

from psycopg2 import OperationalError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import TimeoutError  # noqa: A004 - of the pool

from .dialect import DRIVER
from .driver_connection import DriverConnection
from .encoding import to_json
from .errors import PoolExhausted, UnitOfWorkError
from .replica import Replica

_FORBIDDEN = {"client_encoding", "creator", "isolation_level", "pool_reset_on_return"}
"""Arguments of `create_engine` that Database decides: the encoding, and how transactions work."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a Database connects. Times are in seconds.

    A pooled connection that was idle for `ping_after` is tested before a unit gets it. `more` are
    further arguments of `create_engine`, such as `connect_args`, `pool_recycle`, `poolclass` or
    `echo`, and win over the others; ValueError for those that Database sets itself.
    """

    pool_size: int = 5
    pool_timeout: float = 3.0
    connect_timeout: int = 3
    ping_after: float = 5.0
    application_name: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if forbidden := _FORBIDDEN & self.more.keys():
            raise ValueError(f"Database sets {', '.join(sorted(forbidden))} itself.")

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `create_engine`."""
        connect_args: dict[str, Any] = {"connect_timeout": self.connect_timeout}
        if self.application_name is not None:
            connect_args["application_name"] = self.application_name
        found: dict[str, Any] = {"ping_after": self.ping_after}
        if "poolclass" not in self.more:
            found |= {"pool_size": self.pool_size, "max_overflow": 0}
            found["pool_timeout"] = self.pool_timeout
        given = self.more.get("connect_args", {})
        return {**found, **self.more, "connect_args": {**connect_args, **given}}


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
        self._on_error = on_error
        self._options = options
        self._begin()
        os.register_at_fork(after_in_child=partial(_call, WeakMethod(self.start_afresh)))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._replica = Replica(partial(self._take, "replica"), self._replica_max_lag)

    def connect(self, *, replica: bool) -> Connection:
        """A connection of the pool, to the replica if that may be used; raises PoolExhausted."""
        if replica and self._replica_url and (taken := self._replica.connection()) is not None:
            return taken
        return self._take("primary")

    def _take(self, name: str) -> Connection:
        with self._lock:  # one thread makes the engine
            pair: _EnginePair = getattr(self, name)
        try:
            connection = pair.engine.connect()
        except TimeoutError as error:
            raise PoolExhausted("All connections to the database are in use.") from error
        connection.engine = pair.sealed
        return connection

    @property
    def url(self) -> str:
        return self._url() if callable(self._url) else self._url

    @cached_property
    def primary(self) -> _EnginePair:
        pair = self._create(self.url, {})
        event.listen(pair.engine, "do_connect", self._connect)
        return pair

    @cached_property
    def replica(self) -> _EnginePair:
        # Without this timeout a unit waits for a quarter of an hour on a connection whose server
        # lost its power or its network.
        seconds = int(self._options.arguments()["connect_args"]["connect_timeout"])
        unanswered = {"tcp_user_timeout": 1000 * seconds}
        return self._create(self._replica_url or self.url, unanswered, ping_on_input=True)

    def dispose(self, *, close: bool = True) -> None:
        """Without `close` the connections are forgotten: they are the parent process's."""
        for name in ("primary", "replica"):
            if pair := self.__dict__.pop(name, None):
                pair.engine.dispose(close=close)

    def start_afresh(self) -> None:
        """A forked child must not talk on its parent's sockets, nor wait for its threads."""
        self._begin()
        self.dispose(close=False)

    def _create(
        self, url: str, connect_args: Mapping[str, Any], **dialect_options: bool
    ) -> _EnginePair:
        given = self._options.arguments()
        options = {
            **dialect_options,
            "json_serializer": to_json,
            "hide_parameters": True,  # they are personal data, and errors go into logs
            "pool_pre_ping": True,  # the dialect tests only connections that were idle for long
            **given,
            "connect_args": {
                **connect_args,
                **given["connect_args"],
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


def _call(method: WeakMethod[Callable[[], None]]) -> None:
    if (call := method()) is not None:
        call()
