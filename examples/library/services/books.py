from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unitwork import Page, Query, Record, retry

from library.errors import InUse, NotFound
from library.models import Book
from library.services.service import Service

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID


class BookService(Service):
    @retry
    def add(self, values: Mapping[str, Any]) -> Book:
        """`values` has title, isbn, and copies or not. Raises Invalid and NotUnique."""
        with self.database.session() as session:
            return self.books.add(session, Book(**values))

    @retry
    def get(self, key: UUID) -> Record:
        with self.database.connect(read_only=True) as connection:
            record = self.books.record(connection, key)
        if record is None:
            raise NotFound("book", key)
        return record

    @retry
    def page(self, query: Query) -> Page[Record]:
        with self.database.connect(read_only=True) as connection:
            return self.books.records(connection, query)

    @retry
    def update(
        self, key: UUID, values: Mapping[str, Any], expected: Collection[int] | None
    ) -> Book:
        """Change the fields in `values`. Raises VersionMismatch if `expected` lacks its version."""
        with self.database.session() as session:
            book = self.books.get(session, key, lock=True)
            if book is None:
                raise NotFound("book", key)
            self.books.update(session, book, values, expected=expected)
            return book

    @retry
    def remove(self, key: UUID) -> None:
        """Raises InUse while a copy is on loan or reserved."""
        with self.database.connect() as connection:
            if tables := self.books.dependants(connection, key):
                raise InUse(tables)
            if self.books.soft_delete(connection, key) is None:
                raise NotFound("book", key)
