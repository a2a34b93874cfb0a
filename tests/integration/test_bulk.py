"""Many rows at once: in one statement, under the rules that hold for one."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import Query, Sort
from app.db.errors import Invalid, InvalidCriterion, NotUnique, TooManyRows, UnknownReference
from app.db.testing import RoundTrips
from tests.library import BOOKS, SHELVES, Book, Shelf

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.db import Database

TRICKY = {
    "title": 'a\tb\nc\\d "e" \\N {f},g \r\x01 é \N{PILE OF POO}',
    "tags": ['x"y', "a,b", "{c}", "\\", "NULL", "", "t\tn\n"],
    "notes": {"k\t\\": ["\n", None, 1.5, True, {"a": '"'}]},
    "lent_at": datetime(2026, 1, 2, 3, 4, 5, 6789, tzinfo=UTC),
    "cover": b"\x00\xff\\x",
}
FIELDS = ("isbn", *TRICKY, "copies")


def books(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"isbn": f"{i}", "title": f"T{i}", **values} for i in range(count)]


def stored(connection: Connection) -> list[dict[str, Any]]:
    query = Query(sort=(Sort("title"),), limit=100)
    return BOOKS.records(connection, query).items


def test_insert_many_is_one_statement(library: Database) -> None:
    """However many rows there are."""
    with RoundTrips(library) as round_trips:
        with library.connect() as connection:
            ids = BOOKS.insert_many(connection, books(2500))
        assert [message.split()[0] for message in round_trips] == ["BEGIN", "COMMIT"]
    with library.connect(read_only=True) as connection:
        assert BOOKS.count(connection, copies__gte=0) == len(set(ids)) == 2500


@pytest.mark.parametrize("how", ["insert_many", "copy"])
def test_every_value_arrives_intact(library: Database, how: str) -> None:
    """jsonb, NULL, arrays, times, bytes and any text, by JSON and by COPY alike."""
    rows: list[dict[str, Any]] = [
        {"isbn": "1", **TRICKY, "copies": 3},
        {"isbn": "2", **dict.fromkeys(TRICKY), "title": "", "copies": 0},
    ]
    with library.connect() as connection:
        if how == "copy":
            assert BOOKS.copy(connection, FIELDS, ([r[f] for f in FIELDS] for r in rows)) == 2
        else:
            BOOKS.insert_many(connection, rows)
        found = sorted(stored(connection), key=lambda row: row["isbn"])
    assert [{name: row[name] for name in FIELDS} for row in found] == rows
    assert [row["version"] for row in found] == [1, 1]


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(anything, st.none() | st.lists(anything | st.none())), max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_copy_keeps_any_text(library: Database, rows: list[tuple[str, list[str] | None]]) -> None:
    """Whatever PostgreSQL can store comes back as it went in."""
    with library.connect() as connection:
        connection.execute(text("TRUNCATE library_books"))
        numbered = [(str(i), title, tags) for i, (title, tags) in enumerate(rows)]
        BOOKS.copy(connection, ("isbn", "title", "tags"), numbered)
        found = {row["isbn"]: (row["title"], row["tags"]) for row in stored(connection)}
    assert found == {isbn: (title, tags) for isbn, title, tags in numbered}


@pytest.mark.parametrize("value", ["\\N\n{0}\t9\tx\t\\N", "\\N", "\\.", "{0}\n\\."])
def test_copy_takes_no_line_out_of_a_value(library: Database, value: str) -> None:
    """A text for a column of UUIDs is refused like any other mistake."""
    rows = [("1", "T", value.format("00000000-0000-7000-8000-000000000000")), ("2", "T", None)]
    with pytest.raises(Invalid, match="shelf_id"), library.connect() as connection:
        BOOKS.copy(connection, ("isbn", "title", "shelf_id"), rows)


def test_copy_needs_no_memory_for_its_rows(library: Database) -> None:
    """It takes rows as they come: twenty megabytes pass through less than one."""
    rows = ((str(i), "x" * 1000) for i in range(20_000))
    with library.connect() as connection:
        tracemalloc.start()
        assert BOOKS.copy(connection, ("isbn", "title"), rows) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("how", ["insert_many", "copy"])
def test_a_violation_in_bulk_is_told_like_any_other(library: Database, how: str) -> None:
    """By constraint name, and all rows are undone."""
    for rows, error in (
        (books(2, copies=-1), Invalid),
        ([*books(2), *books(1)], NotUnique),
        (books(1, shelf_id="00000000-0000-7000-8000-000000000000"), UnknownReference),
    ):
        with pytest.raises(error), library.connect() as connection:
            if how == "copy":
                BOOKS.copy(connection, tuple(rows[0]), ([*row.values()] for row in rows))
            else:
                BOOKS.insert_many(connection, rows)
    with library.connect(read_only=True) as connection:
        assert stored(connection) == []


def test_rows_with_other_fields_are_refused(library: Database) -> None:
    """A typo, or a row that lacks a field, is not quietly NULL."""
    with library.connect() as connection:
        with pytest.raises(AttributeError, match="nmae"):
            BOOKS.insert_many(connection, [{"nmae": "x"}])
        with pytest.raises(AttributeError, match="nmae"):
            BOOKS.copy(connection, ("nmae",), [("x",)])
        assert BOOKS.insert_many(connection, []) == []
    with pytest.raises(Invalid, match="title"), library.connect() as connection:
        BOOKS.insert_many(connection, [{"isbn": "1", "title": "a"}, {"isbn": "2"}])


def test_upsert_inserts_then_updates(library: Database) -> None:
    """On the unique index's own terms: whatever the case, among live rows."""
    with library.connect() as connection:
        first, created = BOOKS.upsert(connection, {"isbn": "x1", "title": "A"}, on=["isbn"])
        assert (created, first["version"]) == (True, 1)
        second, created = BOOKS.upsert(connection, {"isbn": "X1", "title": "B"}, on=["isbn"])
        assert (created, second["version"], second["id"]) == (False, 2, first["id"])
        same, created = BOOKS.upsert(connection, {"isbn": "x1", "title": "B"}, on=["isbn"])
        assert (created, same["version"]) == (False, 2)
        BOOKS.soft_delete(connection, first["id"])
        third, created = BOOKS.upsert(connection, {"isbn": "x1", "title": "C"}, on=["isbn"])
        assert (created, third["id"] != first["id"]) == (True, True)
        with pytest.raises(LookupError):
            BOOKS.upsert(connection, {"isbn": "x1", "title": "C"}, on=["title"])


def test_of_concurrent_upserts_one_inserts(library: Database) -> None:
    """Raced by eight threads: one row, one of them created it, none fails."""
    start, outcomes = threading.Barrier(8), []

    def upsert(number: int) -> None:
        start.wait()
        with library.connect() as connection:
            values = {"isbn": "x", "title": f"T{number}"}
            outcomes.append(BOOKS.upsert(connection, values, on=["isbn"])[1])

    threads = [threading.Thread(target=upsert, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    with library.connect(read_only=True) as connection:
        [row] = stored(connection)
        assert row["version"] == 8


def test_update_where_moves_every_version(library: Database) -> None:
    """And sees live rows only."""
    with library.connect() as connection:
        ids = BOOKS.insert_many(connection, books(4, copies=1))
        BOOKS.soft_delete(connection, ids[0])
        changed = BOOKS.update_where(connection, {"copies": 2}, at_most=10, copies=1)
        assert set(changed) == set(ids[1:])
        assert {row["version"] for row in stored(connection)} == {2}


@pytest.mark.parametrize("how", ["update_where", "delete"])
def test_a_mass_write_is_bounded(library: Database, how: str) -> None:
    """Without criteria it is refused; past its bound it undoes the unit."""

    def write(connection: Connection, **filters: Any) -> None:
        if how == "delete":
            BOOKS.delete(connection, at_most=2, **filters)
        else:
            BOOKS.update_where(connection, {"copies": 9}, at_most=2, **filters)

    with library.connect() as connection:
        BOOKS.insert_many(connection, books(3, copies=1))
        with pytest.raises(InvalidCriterion):
            write(connection)
    with pytest.raises(TooManyRows), library.connect() as connection:
        write(connection, copies=1)
    with library.connect() as connection:
        assert [row["copies"] for row in stored(connection)] == [1, 1, 1]
        write(connection, title__in=["T0", "T1"])
        assert [row["copies"] for row in stored(connection)] in ([1], [9, 9, 1])


def test_claims_never_overlap(library: Database) -> None:
    """Eight threads take what is there, each row once, without waiting for each other."""
    with library.connect() as connection:
        BOOKS.insert_many(connection, books(200, copies=1))
    claimed: list[str] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        while True:
            with library.connect() as connection:
                rows = BOOKS.claim(connection, {"copies": 0}, limit=7, copies=1)
            if not rows:
                return
            claimed.extend(row["isbn"] for row in rows)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed, key=int) == [str(i) for i in range(200)]


def test_a_claim_passes_over_what_is_locked(library: Database) -> None:
    """And hands out the rest in the order that was asked for."""
    with library.connect() as connection:
        ids = BOOKS.insert_many(connection, books(4, copies=1))
    other_claim: list[str] = []

    def claim() -> None:
        with library.connect() as connection:
            sort = (Sort("title", descending=True),)
            rows = BOOKS.claim(connection, {"copies": 0}, limit=2, sort=sort, copies=1)
            other_claim.extend(row["title"] for row in rows)

    with library.session() as session:
        assert BOOKS.get(session, ids[3], lock=True)
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join()
    assert other_claim == ["T2", "T1"]


def test_core_bulk_and_orm_agree_on_what_is_live(library: Database) -> None:
    """A loaded object shows what a mass write did to its row."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s"))
        book = BOOKS.add(session, Book(title="T", isbn="1", shelf_id=shelf.id))
        BOOKS.update_where(session.connection(), {"copies": 5}, at_most=1, isbn="1")
        assert (book.copies, book.version) == (5, 2)


def test_a_mistake_in_the_rows_is_told_as_it_is(library: Database) -> None:
    """Not as what libpq makes of it."""

    def rows() -> Any:
        yield ("1", "T")
        raise LookupError("of the caller")

    cases: list[tuple[Any, type[Exception]]] = [(rows(), LookupError), ([("1",)], ValueError)]
    for given_rows, error in cases:
        with pytest.raises(error), library.connect() as connection:
            BOOKS.copy(connection, ("isbn", "title"), given_rows)


def test_none_is_sql_null_on_every_path(library: Database) -> None:
    """Never the JSON null, which no filter would find."""
    with library.session() as session:
        connection = session.connection()
        BOOKS.add(session, Book(title="orm", isbn="1", notes=None))
        BOOKS.add(session, Book(title="orm", isbn="2"))
        BOOKS.insert_many(connection, [{"title": "many", "isbn": "3", "notes": None}])
        BOOKS.copy(connection, ("title", "isbn", "notes"), [("copy", "4", None)])
        BOOKS.upsert(connection, {"title": "upsert", "isbn": "5", "notes": None}, on=["isbn"])
        BOOKS.insert_many(connection, [{"isbn": "6", "title": "where", "notes": {"a": 1}}])
        BOOKS.update_where(connection, {"notes": None}, at_most=1, title="where")
        nulls = text("SELECT count(*) FROM library_books WHERE notes IS NULL")
        assert connection.execute(nulls).scalar() == 6


def test_what_json_has_no_word_for_is_refused(library: Database) -> None:
    """Rather than stored as some text."""
    with pytest.raises(TypeError), library.connect() as connection:
        BOOKS.insert_many(connection, [{"title": "T", "isbn": "1", "notes": {"a": object()}}])
