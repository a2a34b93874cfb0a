"""What a Database passes on to SQLAlchemy and to PostgreSQL, and how it tests idle connections."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import NullPool, func, make_url, select, text

from app.db import Database, EngineOptions
from app.db.errors import ConnectionLost, DatabaseUnreachable
from tests.owners import in_a_thread
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Sql = Callable[..., list[tuple[Any, ...]]]

PID = select(func.pg_backend_pid())


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Database]:
    database = Database(url, options=EngineOptions(pool_size=1, **options))
    yield database
    database.dispose()


def pid_of(database: Database, **mode: Any) -> int:
    with database.connect(**mode) as connection:
        return int(connection.execute(PID).scalar_one())


def kill(sql: Sql, pid: int) -> None:
    assert sql("SELECT pg_terminate_backend(%s, 60000)", pid) == [(True,)]


@pytest.mark.parametrize("mode", [{}, {"read_only": True}])
def test_a_connection_that_died_while_idle_is_replaced(
    database_url: str, sql: Sql, mode: dict[str, Any]
) -> None:
    """The unit that gets it notices nothing, also without `run` or `@retry`."""
    with opened(database_url, ping_after=0) as database:
        dead = pid_of(database, **mode)
        kill(sql, dead)
        assert pid_of(database, **mode) != dead


def test_a_connection_that_was_used_a_moment_ago_is_not_tested(database_url: str, sql: Sql) -> None:
    """It would cost every unit a message, so the error is the unit's."""
    with opened(database_url, ping_after=3600) as database:
        pid = pid_of(database)
        last = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        before = sql(last, pid)
        with database.connect():
            assert sql(last, pid) == before
        kill(sql, pid)
        with pytest.raises(ConnectionLost):
            pid_of(database)


def test_a_database_that_went_away_during_an_idle_time_is_unreachable(
    template_url: str, worker_id: str
) -> None:
    """The test of the connection reports no error of its own; the new connection does."""
    url = copy_template(template_url, f"away_{worker_id}")
    with opened(url, ping_after=0) as database:
        pid_of(database)
        drop(url)
        with pytest.raises(DatabaseUnreachable):
            pid_of(database)


def test_the_application_name_is_that_of_the_connections(database_url: str) -> None:
    """So that an operator sees in pg_stat_activity whose they are."""
    name = select(func.current_setting("application_name"))
    with opened(database_url, application_name="library") as database:
        with database.connect(read_only=True) as connection:
            assert connection.execute(name).scalar() == "library"


def test_engine_options_are_passed_on(database_url: str) -> None:
    """Those of the driver too, beside the layer's own."""
    options = {"connect_args": {"options": "-c work_mem=5MB"}, "max_overflow": 1}
    size = select(func.current_setting("work_mem"))
    with opened(database_url, more=options, pool_timeout=0.05) as database:
        with database.connect(read_only=True) as connection:
            assert connection.execute(size).scalar() == "5MB"
            assert in_a_thread(lambda: pid_of(database)) == []


def test_another_pool_takes_no_size(database_url: str) -> None:
    """Behind PgBouncer no pool at all: each unit has a connection of its own."""
    with opened(database_url, more={"poolclass": NullPool}) as database:
        assert pid_of(database) != pid_of(database)


@pytest.mark.parametrize("name", ["isolation_level", "creator", "pool_reset_on_return"])
def test_an_option_that_would_change_the_transactions_is_refused(name: str) -> None:
    """At once, not at the first connection."""
    with pytest.raises(ValueError, match=name):
        EngineOptions(more={name: "x"})


def test_connections_send_utf8(database_url: str) -> None:
    """Whatever the URL or the arguments of the driver say."""
    url = make_url(database_url).update_query_dict({"client_encoding": "latin1"})
    arguments = {"connect_args": {"client_encoding": "latin1"}}
    with opened(url.render_as_string(hide_password=False), more=arguments) as database:
        with database.connect(read_only=True) as connection:
            assert connection.execute(text("SHOW client_encoding")).scalar() == "UTF8"
    with pytest.raises(ValueError, match="client_encoding"):
        EngineOptions(more={"client_encoding": "latin1"})
