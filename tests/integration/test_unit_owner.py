"""A unit of work has one owner: one thread, one asyncio task, one process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, update
from uuid_utils.compat import uuid7

from app.db import Database, UnitOfWorkError, UnitRolledBack
from tests.library import BOOKS, Book
from tests.owners import in_a_child, in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

TABLE = Book.__table__
TITLES = select(TABLE.c.title).order_by(TABLE.c.title)


def add(connection: Connection, title: str) -> None:
    connection.execute(insert(TABLE), {"id": uuid7(), "title": title, "isbn": title})


def titles(library: Database) -> list[str]:
    """The committed ones."""
    with library.connect(read_only=True) as connection:
        return list(connection.scalars(TITLES))


async def unit(library: Database, title: str) -> None:
    with library.connect() as connection:
        await asyncio.sleep(0)  # the others open theirs
        add(connection, title)
        await asyncio.sleep(0)
        if title == "b":
            raise LookupError


def test_coroutines_never_share_a_unit(library: Database) -> None:
    """Of three that run at the same time the one that fails is rolled back, and it alone."""

    async def main() -> list[Any]:
        units = (unit(library, title) for title in "abc")
        return await asyncio.gather(*units, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert isinstance(second, LookupError)
    assert (first, third) == (None, None)
    assert titles(library) == ["a", "c"]


def test_a_task_does_not_join_the_unit_of_the_task_that_started_it(library: Database) -> None:
    """It has a copy of the other one's context, and a unit of its own."""

    async def main() -> None:
        with pytest.raises(LookupError), library.connect() as connection:
            add(connection, "a")
            await asyncio.create_task(unit(library, "c"))
            raise LookupError

    asyncio.run(main())
    assert titles(library) == ["c"]


def test_a_thread_does_not_join_the_unit_of_the_task_that_started_it(library: Database) -> None:
    """`asyncio.to_thread` copies the context too."""

    def on_thread() -> None:
        with library.connect() as connection:
            add(connection, "c")

    async def main() -> None:
        with pytest.raises(LookupError), library.connect() as connection:
            add(connection, "a")
            await asyncio.to_thread(on_thread)
            raise LookupError

    asyncio.run(main())
    assert titles(library) == ["c"]


def test_blocks_of_one_task_join(library: Database) -> None:
    """As those of one thread do, also after another task has run."""

    async def main() -> None:
        with library.connect() as outer:
            await unit(library, "a")
            with library.connect() as inner:
                assert inner is outer

    asyncio.run(main())


def test_a_handle_used_by_another_task_is_an_error(library: Database) -> None:
    """The statement is not sent, and the unit can't commit as if nothing had happened."""

    async def main() -> None:
        with library.connect() as connection:
            add(connection, "a")

            async def other() -> None:
                add(connection, "other")

            with pytest.raises(UnitOfWorkError, match="another"):
                await asyncio.create_task(other())

    with pytest.raises(UnitRolledBack):
        asyncio.run(main())
    assert titles(library) == []


def test_a_handle_used_on_another_thread_is_an_error(library: Database) -> None:
    """Also by the ORM."""
    for use in (lambda s: add(s.connection(), "other"), lambda s: BOOKS.get(s, uuid7())):
        with pytest.raises(UnitRolledBack) as caught, library.session() as session:
            add(session.connection(), "a")
            (error,) = in_a_thread(lambda use=use, session=session: use(session))  # type: ignore[misc] # bound for the loop
        assert isinstance(error, UnitOfWorkError)
        assert caught.value.__cause__ is error
    assert titles(library) == []


def test_another_thread_cannot_commit_the_unit(library: Database) -> None:
    """A generator that another thread iterates to its end: its unit is rolled back."""

    def rows() -> Iterator[int]:
        with library.connect() as connection:
            add(connection, "a")
            yield 1

    generator = rows()
    next(generator)
    (error,) = in_a_thread(lambda: next(generator, None))
    assert isinstance(error, UnitOfWorkError)
    assert titles(library) == []


def test_a_handle_used_in_a_forked_child_is_an_error(library: Database) -> None:
    """Nothing is sent on the parent's socket, and the parent commits its own work."""
    with library.session() as session:
        add(session.connection(), "parent")
        uses: list[Callable[[Session], object]] = [
            lambda session: add(session.connection(), "child"),
            lambda session: BOOKS.get(session, uuid7()),
            lambda session: BOOKS.add(session, Book(title="child", isbn="c")),
            lambda session: session.connection().begin_nested(),
        ]
        errors = [in_a_child(lambda use=use: use(session)) for use in uses]  # type: ignore[misc] # bound for the loop
    assert errors == ["UnitOfWorkError"] * 4
    assert titles(library) == ["parent"]


def test_a_forked_child_opens_units_of_its_own(library: Database) -> None:
    """On connections of its own."""

    def work() -> None:
        with library.connect() as connection:
            add(connection, "child")

    with pytest.raises(LookupError), library.connect() as connection:
        add(connection, "parent")
        assert in_a_child(work) == "none"
        raise LookupError
    assert titles(library) == ["child"]


def test_a_block_that_outlives_its_unit_is_an_error(library: Database) -> None:
    """It joined a unit that has committed: what it does afterwards would be in no unit."""

    def joined() -> Iterator[int]:
        with library.connect():
            yield 1
            yield 2

    with library.connect() as connection:
        add(connection, "a")
        block = joined()
        next(block)
    next(block)
    with pytest.raises(UnitOfWorkError, match="ended"):
        next(block)
    assert titles(library) == ["a"]


def rows(library: Database, *, read_only: bool = False) -> Iterator[str]:
    """A generator that opens a unit, and joins it itself."""
    with library.connect(read_only=read_only) as connection:
        if not read_only:
            with library.connect():
                add(connection, "by the generator")
        yield from connection.scalars(TITLES).all()


def test_a_loop_over_a_generator_cannot_write_in_its_unit(library: Database) -> None:
    """The error comes at once: leaving the loop early would roll the write back unnoticed."""

    def write() -> None:
        with library.session() as session:
            BOOKS.add(session, Book(title="by the loop", isbn="2"))

    with library.connect() as connection:
        add(connection, "a")
    with pytest.raises(UnitOfWorkError, match="the generator rows"):
        for _ in rows(library):
            write()
            break
    with pytest.raises(UnitOfWorkError, match="the generator rows"):
        for _ in (title for title in rows(library)):
            write()
    with library.connect():  # the generator joins this unit
        for title in rows(library):
            if title == "a":
                write()
    assert titles(library) == ["a", "by the generator", "by the loop"]


def test_a_generator_that_opens_its_unit_by_an_exit_stack_is_recognised(library: Database) -> None:
    """As by a `with` statement."""

    def numbers() -> Iterator[int]:
        with ExitStack() as stack:
            stack.enter_context(library.session())
            yield from range(2)

    with pytest.raises(UnitOfWorkError, match="numbers"):
        for _ in numbers():
            with library.session() as session:
                BOOKS.add(session, Book(title="by the loop", isbn="2"))


def test_a_loop_over_a_generator_may_read_in_its_unit(library: Database) -> None:
    """Nothing of a read is lost."""
    with library.connect() as connection:
        add(connection, "a")
    for _ in rows(library, read_only=True):
        assert titles(library) == ["a"]
        break


def test_a_unit_outlives_a_generator_that_reads_in_it(library: Database) -> None:
    """Leaving the loop early is no failure, as nothing was written."""
    with library.connect() as connection:
        add(connection, "a")
        for _ in rows(library, read_only=True):
            break
    assert titles(library) == ["a"]


def test_a_generator_that_drops_a_unit_which_others_joined_is_an_error(
    library: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Their blocks ended well, and their work is lost."""

    def start() -> Iterator[str]:
        generator = rows(library)
        next(generator)
        return generator

    generator = start()
    with library.connect() as connection:
        add(connection, "by another")
    with pytest.raises(UnitOfWorkError, match="the generator rows"):
        generator.close()  # type: ignore[attr-defined] # a generator
    assert "the generator rows" in caplog.text
    assert titles(library) == []


def test_a_context_manager_that_opens_a_unit_is_no_loop(library: Database) -> None:
    """What runs in its block joins its unit."""

    @contextmanager
    def opened() -> Iterator[None]:
        with library.connect():
            yield

    with opened(), library.connect() as connection:
        add(connection, "a")
    assert titles(library) == ["a"]


def test_an_asynchronous_generator_is_like_the_others(library: Database) -> None:
    """A loop over it cannot write in its unit."""

    async def rows() -> Any:
        with library.connect() as connection:
            add(connection, "a")
            yield 1

    async def main() -> None:
        async for _ in rows():
            with library.connect() as connection:
                add(connection, "b")

    with pytest.raises(UnitOfWorkError, match="the generator"):
        asyncio.run(main())
    assert titles(library) == []


@pytest.fixture
def other(library_url: str) -> Iterator[Database]:
    """A second Database; its tables are the same, which shows what it has committed."""
    database = Database(library_url)
    yield database
    database.dispose()


def conflict(connection: Connection) -> None:
    connection.exec_driver_sql("DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END$$")


def test_a_retry_does_not_repeat_the_commit_of_another_database(
    library: Database, other: Database
) -> None:
    """The conflict is raised instead."""
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        with other.connect() as another:
            add(another, "other")
        conflict(connection)

    with pytest.raises(Exception, match="changed the same rows"):
        library.run(work)
    assert len(attempts) == 1
    assert titles(library) == ["other"]


def test_inside_the_unit_of_another_database_nothing_is_retried(
    library: Database, other: Database
) -> None:
    """What the work did in that unit would be done twice: its opener retries the whole."""
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        with library.connect() as outer:
            add(outer, "a")
        if len(attempts) == 1:
            conflict(connection)

    library.run(lambda _: other.run(work))
    assert len(attempts) == 2
    assert titles(library) == ["a"]


def test_reading_in_another_database_does_not_stop_a_retry(
    library: Database, other: Database
) -> None:
    """Reading twice changes nothing."""
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        with other.connect(read_only=True) as another:
            another.execute(TITLES).all()
        connection.execute(update(TABLE).values(copies=2))
        if len(attempts) == 1:
            conflict(connection)

    library.run(work)
    assert len(attempts) == 2
