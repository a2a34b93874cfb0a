"""Soft deletion is finished work: parents, children, restores and purges, raced where they race."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapped, aliased, joinedload, mapped_column, registry, selectinload

from app.db import Base, Database, DeletableResource, Query, Repository, Resource, create_tables
from app.db.errors import ApplicationError, NotUnique, UnknownReference
from app.db.marks import LIVE_WHILE
from app.db.tables import NAMES
from app.errors import InUse, NotFound, ParentDeleted
from app.repositories import EventRepository, NewEvent
from tests.library import BOOKS, SHELVES, Book, BookService, Shelf, ShelfService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection


class NoEvents(EventRepository):
    """The library's resources are not in the events' tables of the desk."""

    def add_many(
        self, connection: Connection, model: type[Resource], events: Sequence[NewEvent]
    ) -> None:
        pass


@pytest.fixture
def shelves(library: Database) -> ShelfService:
    return ShelfService.as_system(library, events=NoEvents())


@pytest.fixture
def books(library: Database) -> BookService:
    return BookService.as_system(library, events=NoEvents())


class Stock(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Depot(DeletableResource, Stock):
    __tablename__ = "stock_depots"
    __table_args__ = (UniqueConstraint("id", "code"), UniqueConstraint("code"))

    code: Mapped[int]


class Crate(Stock):
    """Refers to a column that is not the key."""

    __tablename__ = "stock_crates"
    __table_args__ = ({"info": {LIVE_WHILE: "true"}},)

    depot_code: Mapped[int | None] = mapped_column(ForeignKey("stock_depots.code"))


class Pallet(Stock):
    """Refers to two columns at once."""

    __tablename__ = "stock_pallets"
    __table_args__ = (
        ForeignKeyConstraint(["depot_id", "depot_code"], ["stock_depots.id", "stock_depots.code"]),
        {"info": {LIVE_WHILE: "true"}},
    )

    depot_id: Mapped[UUID | None]
    depot_code: Mapped[int | None]


class Depots(Repository[Depot]):
    model = Depot


@pytest.fixture
def stock(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    with database.connect() as connection:
        create_tables(connection, Stock.metadata)
    yield database
    with database.connect() as connection:
        Stock.metadata.drop_all(connection)
    database.dispose()


@pytest.mark.parametrize("child", [Crate, Pallet])
def test_references_to_any_columns_block_a_deletion(stock: Database, child: type[Base]) -> None:
    """Those of one row do not block another one's."""
    with stock.session() as session:
        keys = Depots().insert_many(session.connection(), [{"code": 1}, {"code": 2}])
        values = {"depot_id": keys[0], "depot_code": 1}
        given = {name: value for name, value in values.items() if name in child.__table__.c}
        session.add(child(**given))
        session.flush()
        used, free = (Depots().dependants(session.connection(), key) for key in keys)
        assert (used, free) == ([child.__tablename__], [])
        for key in keys:
            Depots().soft_delete(session.connection(), key)
    with stock.connect() as connection:
        connection.execute(text("UPDATE stock_depots SET deleted_at = '2026-01-01'"))
        late = datetime(2026, 1, 2, tzinfo=UTC)
        assert Depots().purge(connection, before=late, at_most=9) == [keys[1]]


def race(*calls: Callable[[], object]) -> list[type[BaseException] | None]:
    """Run them at once on threads of their own; returns how each ended."""
    start = threading.Barrier(len(calls))
    ends: list[type[BaseException] | None] = [None] * len(calls)

    def run(position: int, call: Callable[[], object]) -> None:
        start.wait()
        try:
            call()
        except ApplicationError as error:
            ends[position] = type(error)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_a_parent_with_live_children_is_not_deleted(
    shelves: ShelfService, books: BookService
) -> None:
    """The refusal names them; once they are gone, so may it be."""
    shelf = shelves.create({"name": "s"})
    book = books.create({"title": "T", "isbn": "1", "shelf_id": shelf.id})
    with pytest.raises(InUse) as caught:
        shelves.remove(shelf.id)
    assert caught.value.dependants == ("library_books",)
    books.remove(book.id)
    shelves.remove(shelf.id)
    with pytest.raises(NotFound):
        shelves.remove(shelf.id)


def test_a_child_of_a_deleted_parent_is_refused(shelves: ShelfService, books: BookService) -> None:
    """When it is created, moved or restored."""
    shelf, other = shelves.create({"name": "s"}), shelves.create({"name": "o"})
    book = books.create({"title": "T", "isbn": "1", "shelf_id": other.id})
    shelves.remove(shelf.id)
    with pytest.raises(UnknownReference):
        books.create({"title": "U", "isbn": "2", "shelf_id": shelf.id})
    with pytest.raises(UnknownReference):
        books.update(book.id, {"shelf_id": shelf.id})
    books.remove(book.id)
    shelves.remove(other.id)
    with pytest.raises(ParentDeleted):
        books.restore(book.id)
    shelves.restore(other.id)
    books.restore(book.id)


def test_no_child_slips_under_a_parent_that_is_being_deleted(
    library: Database, shelves: ShelfService, books: BookService
) -> None:
    """Raced again and again: one of the two is refused, always."""
    for number in range(25):
        shelf = shelves.create({"name": "s"})
        ends = race(
            lambda: shelves.remove(shelf.id),  # noqa: B023 - run before the next turn
            lambda: books.create({"title": "T", "isbn": f"{number}", "shelf_id": shelf.id}),  # noqa: B023 - same
        )
        assert ends in ([InUse, None], [None, UnknownReference])
        with library.connect(read_only=True) as connection:
            children = BOOKS.count(connection, shelf_id=shelf.id)
            assert SHELVES.exists(connection, shelf.id) == bool(children)


def test_of_two_restores_into_one_value_one_wins(books: BookService) -> None:
    """Raced: the unique index decides, and the other is told the field."""
    ids = []
    for _ in range(2):
        book = books.create({"title": "T", "isbn": "1"})
        books.remove(book.id)
        ids.append(book.id)
    ends = race(*(lambda key=key: books.restore(key) for key in ids))
    assert sorted(map(str, ends)) == sorted(map(str, [None, NotUnique]))


def test_a_deleted_parent_is_never_read_as_none(
    library: Database, shelves: ShelfService, books: BookService
) -> None:
    """What a child refers to is there, also if somebody deleted it by raw means."""
    shelf = shelves.create({"name": "s"})
    book = books.create({"title": "T", "isbn": "1", "shelf_id": shelf.id})
    with library.session() as session:
        SHELVES.soft_delete(session.connection(), shelf.id)
        found = BOOKS.get(session, book.id, load=[selectinload(Book.shelf)])
        assert found is not None
        assert found.shelf is not None
        assert found.shelf.deleted_at is not None


def test_deleted_children_are_in_no_loaded_collection(
    library: Database, shelves: ShelfService, books: BookService
) -> None:
    """A parent's eagerly loaded children are the live ones."""
    shelf = shelves.create({"name": "s"})
    kept, gone = (
        books.create({"title": title, "isbn": title, "shelf_id": shelf.id}).id for title in "KG"
    )
    books.remove(gone)
    with library.session(read_only=True) as session:
        found = SHELVES.get(session, shelf.id, load=[selectinload(Shelf.books)])
        assert found is not None
        assert [book.id for book in found.books] == [kept]


def test_purge_takes_old_deleted_rows_in_batches(
    library: Database, shelves: ShelfService, books: BookService
) -> None:
    """Live rows, fresh deletions and parents that something refers to stay."""
    shelf = shelves.create({"name": "s"})
    ids = [
        books.create({"title": f"{i}", "isbn": f"{i}", "shelf_id": shelf.id}).id for i in range(5)
    ]
    for key in ids[1:]:
        books.remove(key)
    later = datetime.now(UTC) + timedelta(minutes=1)
    with library.connect() as connection:
        assert BOOKS.purge(connection, before=later - timedelta(hours=1), at_most=10) == []
        sizes = [len(BOOKS.purge(connection, before=later, at_most=3)) for _ in range(3)]
        assert sizes == [3, 1, 0]
        assert BOOKS.exists(connection, ids[0])
        SHELVES.soft_delete(connection, shelf.id)
        assert SHELVES.purge(connection, before=later, at_most=10) == []
        BOOKS.delete(connection, at_most=1, isbn="0")
        assert SHELVES.purge(connection, before=later, at_most=10) == [shelf.id]


def test_deleted_rows_are_in_no_orm_query(library: Database) -> None:
    """Aliased, counted, joined, in a subquery or an EXISTS."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s"))
        live = BOOKS.add(session, Book(title="live", isbn="1", shelf_id=shelf.id))
        gone = BOOKS.add(session, Book(title="gone", isbn="2", shelf_id=shelf.id))
        BOOKS.soft_delete(session.connection(), gone.id)
        other = aliased(Book)
        assert [book.id for book in session.scalars(select(other))] == [live.id]
        assert session.scalar(select(func.count()).select_from(Book)) == 1
        assert session.scalar(select(func.count()).select_from(select(Book).subquery())) == 1
        joined = select(Shelf).join(Shelf.books)
        assert len(session.scalars(joined).all()) == 1
        assert session.scalars(joined.where(Book.title == "gone")).all() == []
        having = select(Shelf).where(Shelf.books.any(Book.title == "gone"))
        assert session.scalars(having).all() == []


def test_a_joined_load_is_refused(library: Database) -> None:
    """It would show deleted children, or hide a deleted parent."""
    with library.session() as session, pytest.raises(TypeError, match="selectinload"):
        BOOKS.page(session, Query(), load=[joinedload(Book.shelf)])


def test_a_loaded_collection_that_may_have_changed_raises_instead_of_being_stale(
    library: Database,
) -> None:
    """What did not change stays loaded, for the view too."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s"))
        BOOKS.add(session, Book(title="T", isbn="1", shelf_id=shelf.id))
        found = SHELVES.get(session, shelf.id, lock=True, load=[selectinload(Shelf.books)])
        assert found is not None
        SHELVES.total(session.connection(), Query(), exact_to=0)
        SHELVES.update_where(session.connection(), {"name": "t"}, at_most=1, name="s")
        assert (found.name, len(found.books)) == ("t", 1)
        BOOKS.update_where(session.connection(), {"shelf_id": None}, at_most=1, title="T")
        with pytest.raises(InvalidRequestError, match="raise"):
            _ = found.books
