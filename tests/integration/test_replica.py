"""Units that may read from a replica, with a standby that stops, lags and comes back."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.db import Database, EngineOptions
from app.db.errors import DatabaseUnreachable
from app.db.replica import Lag, Progress
from tests.standby import Standby

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_STANDBY = select(func.pg_is_in_recovery())


@pytest.fixture(scope="module")
def servers() -> Iterator[Standby]:
    servers = Standby()
    servers.run("CREATE TABLE notes (n int)", on_primary=True)
    servers.catch_up()
    yield servers
    servers.remove()


@pytest.fixture
def standby(servers: Standby) -> Iterator[Standby]:
    """Running, and level with its primary, before and after the test."""
    yield servers
    servers.start_primary()
    servers.start()
    servers.run("SELECT pg_wal_replay_resume()")
    servers.wait_for("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)")
    servers.catch_up()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the replica at every read."""
    monkeypatch.setattr("app.db.replica._CHECK_SECONDS", 0)
    monkeypatch.setattr("app.db.replica._RETRY_SECONDS", 0)


@contextmanager
def opened(standby: Standby, **options: Any) -> Iterator[Database]:
    database = Database(standby.primary_url, **{"replica_url": standby.url, **options})
    yield database
    database.dispose()


def reads_standby(database: Database, *, read_only: bool = True, stale_ok: bool = True) -> bool:
    with database.connect(read_only=read_only, stale_ok=stale_ok) as connection:
        return bool(connection.execute(IS_STANDBY).scalar_one())


def wait_until(database: Database, *, standby: bool) -> None:
    deadline = time.monotonic() + 60
    while reads_standby(database) is not standby:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "app.db.replica"]


def test_reads_that_may_be_stale_go_to_the_standby(standby: Standby) -> None:
    """All others go to the primary."""
    with opened(standby, replica_max_lag=30) as database:
        assert reads_standby(database)
        with database.session(read_only=True, stale_ok=True) as session:
            assert session.scalar(IS_STANDBY)
        assert not reads_standby(database, stale_ok=False)
        assert not reads_standby(database, read_only=False)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("max_lag", [None, 30])
def test_while_the_standby_is_stopped_the_primary_answers(
    standby: Standby, max_lag: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """No read fails, and the log has one line for each change."""
    with opened(standby, replica_max_lag=max_lag) as database:
        assert reads_standby(database)
        standby.stop()
        assert not any(reads_standby(database) for _ in range(20))
        (first,) = reports(caplog)
        assert first.startswith("The primary is read instead of the replica: connection to server")
        standby.start()
        wait_until(database, standby=True)
        assert reports(caplog) == [first, "The replica is read again."]


def test_a_connection_that_the_standby_closed_is_replaced(standby: Standby) -> None:
    """The unit that gets it from the pool notices nothing, however shortly it was idle."""
    with opened(standby, options=EngineOptions(ping_after=3600, pool_size=1)) as database:
        with database.connect(read_only=True, stale_ok=True) as connection:
            pid = connection.execute(select(func.pg_backend_pid())).scalar_one()
        assert standby.run(f"SELECT pg_terminate_backend({pid}, 60000)")
        assert reads_standby(database)


@pytest.mark.usefixtures("impatient")
def test_a_standby_that_lags_behind_too_far_is_not_read(
    standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read again when it has caught up."""
    with opened(standby, replica_max_lag=0.5) as database, opened(standby) as unbounded:
        wait_until(database, standby=True)
        standby.run("SELECT pg_wal_replay_pause()")
        standby.wait_for("SELECT pg_get_wal_replay_pause_state() = 'paused'")
        standby.run("INSERT INTO notes VALUES (1)", on_primary=True)
        wait_until(database, standby=False)
        assert reports(caplog)[-1] == (
            "The primary is read instead of the replica: it lags behind by more than 0.5 s."
        )
        assert not any(reads_standby(database) for _ in range(20))
        assert reads_standby(unbounded)
        standby.run("SELECT pg_wal_replay_resume()")
        wait_until(database, standby=True)


@pytest.mark.usefixtures("impatient")
def test_a_standby_without_its_primary_lags_behind(standby: Standby) -> None:
    """Nobody knows what it misses. Without a bound it is read all the same."""
    with opened(standby, replica_max_lag=0.5) as database, opened(standby) as unbounded:
        wait_until(database, standby=True)
        standby.stop_primary()
        with pytest.raises(DatabaseUnreachable):
            wait_until(database, standby=False)
        assert reads_standby(unbounded)


@pytest.mark.parametrize("rights", ["", "IN ROLE pg_monitor"])
@pytest.mark.usefixtures("impatient")
def test_an_idle_primary_is_no_lag(standby: Standby, rights: str) -> None:
    """Its last transaction is old; the role may see the receiver's state or not."""
    standby.run(f"CREATE ROLE reader LOGIN {rights}", on_primary=True)
    standby.catch_up()
    url = standby.url.replace("postgres@", "reader@")
    with opened(standby, replica_url=url, replica_max_lag=0.2) as database:
        wait_until(database, standby=True)
        age = text("SELECT now() - pg_last_xact_replay_timestamp() > interval '1 second'")
        is_old = False
        while not is_old:
            with database.connect(read_only=True, stale_ok=True) as connection:
                assert connection.execute(IS_STANDBY).scalar_one()
                is_old = connection.execute(age).scalar_one()
    standby.run("DROP ROLE reader", on_primary=True)


def progress(replayed: int, received: int | None, age: float | None = None) -> Progress:
    return Progress(is_standby=True, replayed=replayed, received=received, age=age)


def test_the_lag_is_the_time_since_a_state_of_which_the_standby_has_all() -> None:
    lag = Lag()
    assert lag.measure(progress(10, 20), 100.0) == float("inf")  # nothing is known yet
    assert lag.measure(progress(10, 20, age=3.0), 101.0) == 3.0
    assert lag.measure(progress(20, 30), 102.0) == 2.0  # it has what there was at 100
    assert lag.measure(progress(29, 40), 103.0) == 3.0
    assert lag.measure(progress(50, 50), 104.0) == 0.0
    assert lag.measure(progress(50, 50), 9999.0) == 0.0  # the primary was idle
    assert lag.measure(progress(50, 60), 10000.0) == 1.0
    assert lag.measure(progress(60, None), 10009.0) == 9.0  # not connected to its primary
    assert lag.measure(progress(60, None), 10010.0) == 10.0


def test_a_server_that_is_no_standby_has_no_lag() -> None:
    """So another kind of replica can be used, and a standby that was promoted."""
    assert Lag().measure(Progress(False, None, None, None), 1.0) == 0.0  # noqa: FBT003 - a row


@contextmanager
def silent_server() -> Iterator[tuple[str, socket.socket]]:
    """It accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        port = listening.getsockname()[1]
        yield f"postgresql://nobody@127.0.0.1:{port}/nothing?sslmode=disable", listening


def test_one_unit_waits_for_a_dead_replica(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others read from the primary meanwhile, and for some seconds afterwards."""
    monkeypatch.setattr("app.db.replica._RETRY_SECONDS", 3600)
    with silent_server() as (url, listening):
        with opened(
            standby, replica_url=url, options=EngineOptions(connect_timeout=3600)
        ) as database:
            answers: list[bool] = []
            waiting = threading.Thread(target=lambda: answers.append(reads_standby(database)))
            waiting.start()
            accepted, _ = listening.accept()
            assert not any(reads_standby(database) for _ in range(20))
            assert answers == []
            accepted.close()
            waiting.join()
            assert not any(reads_standby(database) for _ in range(20))
            assert answers == [False]
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()
