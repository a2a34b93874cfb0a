"""Random operations, by Core and by the ORM, against a model that a child could check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.db import Query, Sort
from app.db.errors import NotUnique, TooManyRows, VersionMismatch
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from app.db import Database

Row = dict[str, Any]
isbns = st.sampled_from(["a", "A", "b", "c", "D", "d"])
titles = st.sampled_from(["x", "y", "z"])


class Books(RuleBasedStateMachine):
    """The model is a dict of rows; every operation is done to both and must end the same way."""

    database: Database
    operations = 0
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[UUID, Row] = {}
        with self.database.connect() as connection:
            connection.execute(text("TRUNCATE library_books"))

    def live(self, isbn: str) -> UUID | None:
        for key, row in self.model.items():
            if not row["deleted"] and row["isbn"].lower() == isbn.lower():
                return key
        return None

    def put(self, key: UUID, isbn: str, title: str) -> UUID:
        self.model[key] = {"isbn": isbn, "title": title, "version": 1, "deleted": False}
        return key

    def change(self, key: UUID, **values: Any) -> None:
        row = self.model[key]
        if any(row[name] != value for name, value in values.items()):
            row.update(values, version=row["version"] + 1)

    @rule(target=keys, isbn=isbns, title=titles, how=st.sampled_from(["orm", "many", "copy"]))
    def add(self, isbn: str, title: str, how: str) -> Any:
        taken = self.live(isbn) is not None
        try:
            key = self._insert(isbn, title, how)
        except NotUnique:
            assert taken
            return multiple()
        assert not taken
        return self.put(key, isbn, title)

    def _insert(self, isbn: str, title: str, how: str) -> UUID:
        with self.database.session() as session:
            connection = session.connection()
            if how == "orm":
                return BOOKS.add(session, Book(isbn=isbn, title=title)).id
            if how == "many":
                key: UUID = BOOKS.insert_many(connection, [{"isbn": isbn, "title": title}])[0]
                return key
            assert BOOKS.copy(connection, ("isbn", "title"), [(isbn, title)]) == 1
            found = BOOKS.find(session, isbn=isbn)
            assert found is not None
            return found.id

    @rule(target=keys, isbn=isbns, title=titles)
    def upsert(self, isbn: str, title: str) -> Any:
        existing = self.live(isbn)
        with self.database.connect() as connection:
            row, created = BOOKS.upsert(connection, {"isbn": isbn, "title": title}, on=["isbn"])
        assert created == (existing is None)
        if existing is None:
            return self.put(row["id"], isbn, title)
        self.change(existing, title=title)
        assert (row["id"], row["version"]) == (existing, self.model[existing]["version"])
        return multiple()

    @rule(key=keys, title=titles, stale=st.booleans())
    def update(self, key: UUID, title: str, stale: bool) -> None:
        row = self.model[key]
        expected = [row["version"] + stale]
        try:
            with self.database.session() as session:
                book = BOOKS.get(session, key, lock=True)
                assert (book is None) == row["deleted"]
                if book is not None:
                    BOOKS.update(session, book, {"title": title}, expected=expected)
        except VersionMismatch:
            assert stale
        else:
            if not row["deleted"]:
                assert not stale
                self.change(key, title=title)

    @rule(old=titles, new=titles, at_most=st.integers(0, 3))
    def update_where(self, old: str, new: str, at_most: int) -> None:
        fits = [k for k, r in self.model.items() if not r["deleted"] and r["title"] == old]
        try:
            with self.database.connect() as connection:
                changed = BOOKS.update_where(connection, {"title": new}, at_most=at_most, title=old)
        except TooManyRows:
            assert len(fits) > at_most
            return
        assert set(changed) == set(fits)
        for key in fits:
            self.change(key, title=new)

    @rule(key=keys, loaded=st.booleans())
    def soft_delete(self, key: UUID, loaded: bool) -> None:
        with self.database.session() as session:
            book = BOOKS.get(session, key) if loaded else None
            done = BOOKS.soft_delete(session.connection(), key)
            assert (done is None) == self.model[key]["deleted"]
            assert book is None or book.deleted_at is not None
        self.change(key, deleted=True)

    @rule(key=keys)
    def restore(self, key: UUID) -> None:
        row = self.model[key]
        taken = row["deleted"] and self.live(row["isbn"]) is not None
        try:
            with self.database.connect() as connection:
                done = BOOKS.restore(connection, key)
        except NotUnique:
            assert taken
            return
        assert not taken
        assert (done is not None) == row["deleted"]
        self.change(key, deleted=False)

    @rule(key=keys)
    def fail_in_a_savepoint(self, key: UUID) -> None:
        with self.database.session() as session:
            try:
                with self.database.savepoint():
                    BOOKS.soft_delete(session.connection(), key)
                    raise LookupError
            except LookupError:
                pass

    @rule()
    def purge(self) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        with self.database.connect() as connection:
            gone = BOOKS.purge(connection, before=later, at_most=2)
            for key in gone:
                assert self.model[key]["deleted"]
            deleted = sum(row["deleted"] for row in self.model.values())
            assert len(gone) == min(2, deleted)
            for key in gone:  # other rules still name them, so they come back as they were
                self._put_back(connection, key)

    def _put_back(self, connection: Any, key: UUID) -> None:
        row = self.model[key]
        connection.execute(
            text(
                "INSERT INTO library_books (id, isbn, title, version, deleted_at)"
                " VALUES (:id, :isbn, :title, :version, now())"
            ),
            {"id": key, "isbn": row["isbn"], "title": row["title"], "version": row["version"]},
        )

    @invariant()
    def count(self) -> None:
        type(self).operations += 1

    def teardown(self) -> None:
        with self.database.connect(read_only=True) as connection:
            query = Query(sort=(Sort("title"),), limit=10_000, include_deleted=True)
            rows = BOOKS.records(connection, query).items
            live = {row["id"] for row in BOOKS.records(connection, Query(limit=10_000)).items}
        assert live == {key for key, row in self.model.items() if not row["deleted"]}
        assert {row["id"]: (row["isbn"], row["title"], row["version"]) for row in rows} == {
            key: (row["isbn"], row["title"], row["version"]) for key, row in self.model.items()
        }


def test_ten_thousand_random_operations_agree_with_the_model(library: Database) -> None:
    """Rows, versions, errors and what is live, after runs of up to a hundred operations each."""

    class Machine(Books):
        database = library

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=150,
            stateful_step_count=100,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.operations >= 10_000
