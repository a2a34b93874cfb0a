"""Repositories of tables that were there before: with keys of other kinds, without versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    insert,
    text,
)
from sqlalchemy.orm import selectinload

from app.db import (
    BulkWriter,
    Database,
    Query,
    Sort,
    create_tables,
)
from app.db.errors import InvalidCriterion, NotUnique
from app.db.listing import Cursors
from tests.legacy import (
    KINDS,
    Countries,
    Country,
    Invoices,
    Kind,
    Legacy,
    Line,
    Lines,
    Pages,
    Remarks,
    Seat,
    Seats,
)
from tests.server import create_beside, drop

if TYPE_CHECKING:
    from collections.abc import Iterator


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
BY_KEY = Query(sort=())


@pytest.fixture(scope="module")
def shared_legacy(template_url: str, worker_id: str) -> Iterator[Database]:
    url = create_beside(template_url, f"legacy_{worker_id}")
    database = Database(url)
    with database.connect() as connection:
        create_tables(connection, Legacy.metadata)
    yield database
    database.dispose()
    drop(url)


@pytest.fixture
def legacy(shared_legacy: Database) -> Iterator[Database]:
    yield shared_legacy
    with shared_legacy.connect() as connection:
        connection.execute(
            text("TRUNCATE countries, invoices, parcels, pages, seats, lines, remarks")
        )


def names(found: list[Any]) -> list[str]:
    return [each["name"] if isinstance(each, dict) else each.name for each in found]


@every_kind
def test_rows_are_read_by_their_key(legacy: Database, kind: Kind) -> None:
    books = kind.repository
    with legacy.connect() as connection:
        first, second, third = books.insert_many(connection, kind.rows("a", "b", "c"))
    with legacy.session(read_only=True) as session:
        assert names([books.get(session, second)]) == ["b"]
        assert names(books.get_many(session, [third, first])) == ["a", "c"]
        assert books.find(session, name="c") is books.get(session, third)
    with legacy.connect() as connection:
        record = books.record(connection, first)
        assert record is not None
        assert record == {**record, kind.key: first, "name": "a", "rank": 1}
        assert set(books.by_id(connection, [first, third])) == {first, third}
        assert list(books.by_id(connection, [third, first], most_bytes=100)) == [third, first]
        assert books.exists(connection, first)
        connection.execute(text(f"DELETE FROM {books.model.__tablename__}"))
        assert not books.exists(connection, first)
        assert books.record(connection, first) is None


@every_kind
@pytest.mark.parametrize(
    "sort", [(), (Sort("rank"),), (Sort("rank", descending=True), Sort("name"))]
)
def test_pages_have_no_gap_and_no_repeat(
    legacy: Database, kind: Kind, sort: tuple[Sort, ...]
) -> None:
    """By the ORM and by Core, also through cursors that clients keep; ties are cut by the key."""
    books, cursors = kind.repository, Cursors("secret")
    with legacy.connect() as connection:
        books.insert_many(connection, kind.rows(*"abcde", rank=1))
        books.insert_many(connection, kind.rows(*"fgh", rank=2))
    query = Query(sort=sort, limit=3)
    records: list[Any] = []
    entities: list[Any] = []
    with legacy.session() as session:
        after: tuple[Any, ...] | None = None
        while True:
            asked = Query(sort=sort, limit=3, after=after)
            page = books.records(session.connection(), asked)
            assert names(page.items) == names(books.page(session, asked).items)
            assert page.next == books.page(session, asked).next
            records += page.items
            if page.next is None:
                break
            cursor = cursors.of(page.next, query, "list")
            after = cursors.after(cursor, query, books, "list")
        entities = books.all(session, Query(sort=sort, limit=100))
        streamed = list(books.stream(session.connection(), query))
        assert names(list(books.stream_entities(session, query))) == names(streamed)
    assert len(records) == 8
    assert names(records) == names(entities) == names(streamed)


@every_kind
def test_single_rows_are_written_by_the_orm(legacy: Database, kind: Kind) -> None:
    """The key that the database makes is loaded, and so is what it fills in."""
    books = kind.repository
    (values,) = kind.rows("a")
    with legacy.session() as session:
        entity = books.add(session, books.model(**values))
    key = getattr(entity, kind.key)
    with legacy.session() as session:
        locked = books.get(session, key, lock=True)
        assert books.update(session, locked, {"name": "b", "rank": 1}) == {"name": ("a", "b")}
        with pytest.raises(TypeError, match="has no version"):
            books.update(session, locked, {"name": "c"}, expected=[1])
        session.expire(locked)
        assert books.record(session.connection(), key) == {
            kind.key: key,
            "name": "b",
            "rank": 1,
        } | ({"country_code": None} if kind.key == "id" else {})


@every_kind
def test_many_rows_are_written_at_once(legacy: Database, kind: Kind) -> None:
    books = kind.repository
    with legacy.connect() as connection:
        inserted = books.insert_many(connection, kind.rows(*"cab"))
        assert names([books.record(connection, key) for key in inserted]) == ["c", "a", "b"]
        (plain, other) = kind.rows("z", "d")
        created = books.insert_many(connection, [plain, {**other, "rank": 7}], returning=True)
        assert [(each["name"], each["rank"]) for each in created] == [("z", 1), ("d", 7)]
        fields = (*((kind.key,) if kind.given else ()), "name")
        copied = [("E", "e"), ("F", "f")] if kind.given else [("e",), ("f",)]
        assert books.copy(connection, fields, copied) == 2
        books.update_each(
            connection,
            [{kind.key: key, "rank": rank} for rank, key in enumerate(inserted, start=10)],
        )
        assert books.count(connection) == 7
        by_id = books.by_id(connection, inserted).items()
        ranked = {key: record and record["rank"] for key, record in by_id}
        assert ranked == dict(zip(inserted, (10, 11, 12), strict=True))
        assert books.update_where(connection, {"name": "x"}, at_most=1, rank=11) == [inserted[1]]
        assert set(books.delete(connection, at_most=2, rank__gte=11)) == set(inserted[1:])
        claimed = books.claim(connection, {"rank": 0}, limit=2, sort=(), rank=1)
        assert [each["rank"] for each in claimed] == [0, 0]
        assert books.total(connection, BY_KEY).count == 5
        assert len(books.numbered(connection, BY_KEY, 1).items) == 5


@every_kind
def test_upsert_on_the_key(legacy: Database, kind: Kind) -> None:
    """Where the caller gives it; elsewhere on a unique constraint."""
    books = kind.repository
    if kind.key == "number":
        with legacy.connect() as connection, pytest.raises(LookupError):
            books.upsert(connection, {"name": "a"}, on=["name"])
        return
    on = [kind.key if kind.given else "name"]
    (values,) = kind.rows("a")
    with legacy.connect() as connection:
        first, is_new = books.upsert(connection, values, on=on)
        assert is_new
        again, is_new = books.upsert(connection, {**values, "rank": 5}, on=on)
        assert (again, is_new) == ({**first, "rank": 5}, False)


def test_references_to_other_keys_are_checked(legacy: Database) -> None:
    """One row, and many at once."""
    invoices = Invoices()
    with legacy.connect() as connection:
        Countries().insert_many(connection, [{"code": "FR", "name": "France"}])
        assert invoices.missing_references(connection, {"country_code": "FR"}) == []
        assert invoices.missing_references(connection, {"country_code": "XX"}) == ["country_code"]
        rows = [{"name": "a", "country_code": code} for code in ("FR", "XX")]
        assert invoices.missing_among(connection, rows) == [(1, "country_code")]
        invoices.insert_many(connection, rows[:1])
    with legacy.session(read_only=True) as session:
        load = [selectinload(Country.invoices)]
        country = Countries().get(session, "FR", load=load)
        assert country is not None
        assert names(country.invoices) == ["a"]


def test_core_and_orm_agree(legacy: Database) -> None:
    """A Core write of a row expires the entity, whatever its key."""
    for kind in KINDS:
        with legacy.session() as session:
            connection = session.connection()
            (key,) = kind.repository.insert_many(connection, kind.rows("a"))
            entity = kind.repository.get(session, key)
            assert entity is not None
            kind.repository.update_where(connection, {"rank": 9}, at_most=1, name="a")
            assert entity.rank == 9


def test_the_newest_rows_first_needs_a_time(legacy: Database) -> None:
    """The order of a Query that says none; a table without `created_at` is listed by its key."""
    with legacy.connect() as connection, pytest.raises(InvalidCriterion, match="created_at"):
        Invoices().records(connection, Query())


def test_columns_that_the_layer_does_not_set_can_be_changed(legacy: Database) -> None:
    """Their names are those of a Resource's columns. The key can't be changed."""
    now = datetime.now(UTC)
    with legacy.connect() as connection:
        (key,) = Pages().insert_many(connection, [{"version": 1}])
        changes = {"version": 2, "updated_at": now}
        assert Pages().update_where(connection, changes, at_most=1, version=1) == [key]
        assert Pages().record(connection, key) == {"id": key, **changes}
        with pytest.raises(AttributeError, match=r"Page\.id"):
            Pages().update_where(connection, {"id": 9}, at_most=1, version=2)
    with legacy.connect() as connection, pytest.raises(AttributeError, match=r"Country\.code"):
        Countries().update_where(connection, {"code": "X"}, at_most=1, name="a")


def test_an_upsert_changes_no_deleted_row(legacy: Database) -> None:
    """Where a deleted row holds the unique value too, an insert fails likewise."""
    with legacy.connect() as connection:
        Seats().upsert(connection, {"label": "a"}, on=["label"])
        row, is_new = Seats().upsert(connection, {"label": "a", "note": "n"}, on=["label"])
        assert (row["note"], is_new) == ("n", False)
        connection.execute(text("UPDATE seats SET deleted_at = now()"))
    with legacy.connect() as connection, pytest.raises(NotUnique, match="label"):
        Seats().upsert(connection, {"label": "a", "note": "other"}, on=["label"])
    with legacy.connect() as connection:
        assert connection.execute(text("SELECT note FROM seats")).scalar() == "n"


def test_each_row_has_what_it_names_or_the_default(legacy: Database) -> None:
    """Of the key, of a text with an apostrophe, and of a function of SQL."""
    key = uuid4()
    rows: list[dict[str, Any]] = [{"id": key}, {"note": "n"}, {"sold_at": datetime.now(UTC)}]
    with legacy.connect() as connection:
        keys = Seats().insert_many(connection, rows)
        found = [Seats().record(connection, each) for each in keys]
    assert keys[0] == key
    assert [row and row["note"] for row in found] == ["it's 100% :new", "n", "it's 100% :new"]
    assert all(row and row["sold_at"] for row in found)


@pytest.mark.parametrize(
    ("repository", "rows", "error"),
    [
        (Seats(), [{}, {}], "no field"),
        (Seats(), [{"note": None}, {"label": "a"}], "Name note"),
        (Seats(), [{"sold_at": None}, {"label": "a"}], "Name sold_at"),
        (Invoices(), [{"id": 7, "name": "a"}, {"name": "b"}], "Name id"),
    ],
)
def test_rows_whose_defaults_are_unclear_are_refused(
    legacy: Database, repository: BulkWriter[Any], rows: list[dict[str, Any]], error: str
) -> None:
    with legacy.connect() as connection, pytest.raises(ValueError, match=error):
        repository.insert_many(connection, rows)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([{"code": "A", "name": "a"}, {"code": "A", "name": "b"}], "same code"),
        ([{"code": "A"}], "nothing to change"),
    ],
)
def test_unclear_changes_are_refused(
    legacy: Database, rows: list[dict[str, Any]], error: str
) -> None:
    with legacy.connect() as connection, pytest.raises(ValueError, match=error):
        Countries().update_each(connection, rows)


def test_a_time_with_a_zone_is_utc_in_a_column_without(legacy: Database) -> None:
    """On every path."""
    at = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    with legacy.session() as session:
        connection = session.connection()
        session.add(Seat(local_time=at))
        session.flush()
        Seats().insert_many(connection, [{"local_time": at}])
        Seats().upsert(connection, {"label": "a", "local_time": at}, on=["label"])
        connection.execute(Seat.__table__.insert(), {"local_time": at})
        Seats().copy(connection, ("label", "local_time", "sold_at"), [("c", at, None)])
        (key,) = Seats().insert_many(connection, [{"label": "b"}])
        Seats().update_each(connection, [{"id": key, "local_time": at}])
        found = set(connection.execute(text("SELECT local_time FROM seats")).scalars())
    assert found == {datetime(2026, 1, 2, 1)}  # noqa: DTZ001 - as the column has it


def test_references_of_several_columns_are_checked_as_one(legacy: Database) -> None:
    """Where one of them is None, the row refers to nothing."""
    both = ["invoice_id", "position"]
    places: list[tuple[int | None, int]] = [(1, 1), (1, 2), (None, 1), (2, 2)]
    rows = [dict(zip(both, place, strict=True)) for place in places]
    with legacy.connect() as connection:
        connection.execute(insert(Line.__table__), [rows[0], rows[3]])
        missing = [Remarks().missing_references(connection, row) for row in rows]
        assert missing == [[], both, [], []]
        assert Remarks().missing_among(connection, rows) == [(1, name) for name in both]


def test_a_key_of_several_columns_is_refused(legacy: Database) -> None:
    with legacy.session() as session, pytest.raises(TypeError, match="Line has a key of 2 columns"):
        Lines().get(session, 1)
