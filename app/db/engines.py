"""The engines behind a Database: the primary's and the replica's, made at the first use."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from psycopg2 import OperationalError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import TimeoutError  # noqa: A004 - of the pool

from .dialect import DRIVER, DriverConnection
from .errors import PoolExhausted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection


class Engines:
    """`url` may be a function; it is called before the first connection, and after one failed."""

    def __init__(
        self,
        url: str | Callable[[], str],
        replica_url: str | None,
        *,
        on_error: Callable[[ExceptionContext], BaseException | None],
        connect_timeout: int,
        **pool: Any,
    ) -> None:
        self._url = url
        self._replica_url = replica_url
        self._connect_timeout = connect_timeout
        self._pool = pool
        self._lock = threading.Lock()
        self._on_error = on_error

    @contextmanager
    def connect(self, *, replica: bool) -> Iterator[Connection]:
        """A connection of the pool; raises PoolExhausted."""
        with self._lock:
            engine = self.replica if replica else self.primary
        try:
            connection = engine.connect()
        except TimeoutError as error:
            raise PoolExhausted("All connections to the database are in use.") from error
        with connection:
            yield connection

    @property
    def url(self) -> str:
        return self._url() if callable(self._url) else self._url

    @cached_property
    def primary(self) -> Engine:
        return self._create(self.url)

    @cached_property
    def replica(self) -> Engine:
        return self._create(self._replica_url) if self._replica_url else self.primary

    def dispose(self, *, close: bool = True) -> None:
        """Without `close` the connections are forgotten: they are the parent process's."""
        for name in ("primary", "replica"):
            if engine := self.__dict__.pop(name, None):
                engine.dispose(close=close)

    def start_afresh(self) -> None:
        self._lock = threading.Lock()
        self.dispose(close=False)

    def _create(self, url: str) -> Engine:
        engine = create_engine(
            make_url(url).set(drivername=DRIVER),
            connect_args={
                "connection_factory": DriverConnection,
                "connect_timeout": self._connect_timeout,
            },
            json_serializer=_to_json,
            hide_parameters=True,  # they tell of people, and errors go into logs
            **self._pool,
        )
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "handle_error", self._on_error)
        return engine

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


def _to_json(value: object) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: object) -> str:
    """What JSON has no word for, as PostgreSQL reads it from text; raises TypeError."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON.")


class _Forgetful(Protocol):
    def start_afresh(self) -> None: ...


def start_afresh_after_fork(database: _Forgetful) -> None:
    """A forked child must not talk on its parent's sockets, nor join its unit of work."""
    reference = weakref.ref(database)

    def in_child() -> None:
        if (database := reference()) is not None:
            database.start_afresh()

    os.register_at_fork(after_in_child=in_child)
