"""Two resources that Caseload does not have, built on its data layer as another service would."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, MetaData, Text, func
from sqlalchemy.orm import Mapped, mapped_column, registry, relationship

from app.db import (
    LIVE,
    Base,
    Database,
    DeletableResource,
    EngineOptions,
    Repository,
    Resource,
    create_tables,
    filters_on,
    sorts_on,
    violations,
)
from app.db.tables import NAMES
from app.services import ResourceService


class LibraryResource(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Shelf(DeletableResource, LibraryResource):
    __tablename__ = "library_shelves"

    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(lazy="raise", back_populates="shelf")


class Book(DeletableResource, LibraryResource):
    __tablename__ = "library_books"

    title: Mapped[str]
    isbn: Mapped[str]
    shelf_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("library_shelves.id"))
    copies: Mapped[int] = mapped_column(default=1, server_default="1")
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    notes: Mapped[dict[str, Any] | None]
    lent_at: Mapped[datetime | None]
    cover: Mapped[bytes | None] = mapped_column(LargeBinary)
    shelf: Mapped[Shelf | None] = relationship(lazy="raise", back_populates="books")

    __table_args__ = (CheckConstraint("copies >= 0", name="copies"),)


Index(
    "uq_library_books_isbn",
    func.lower(Book.isbn),
    unique=True,
    postgresql_where=LIVE,
    info={"fields": ("isbn",)},
)


class ShelfRepository(Repository[Shelf]):
    model = Shelf
    filters = filters_on(Shelf.name)
    sorts = sorts_on(Shelf.created_at)


class BookRepository(Repository[Book]):
    model = Book
    filters = filters_on(
        Book.title, Book.isbn, Book.shelf_id, Book.copies, Book.lent_at, fold=("isbn",)
    )
    sorts = sorts_on(Book.created_at, Book.title, Book.copies, Book.lent_at)


@dataclass(frozen=True, kw_only=True)
class ShelfService(ResourceService[Shelf]):
    repository: ShelfRepository = ShelfRepository()


@dataclass(frozen=True, kw_only=True)
class BookService(ResourceService[Book]):
    repository: BookRepository = BookRepository()


BOOKS, SHELVES = BookRepository(), ShelfRepository()
TABLES = ("library_books", "library_shelves")


def open_library(url: str) -> Database:
    """Create the tables, and return a Database that knows their constraints."""
    database = Database(
        url, violations=violations(LibraryResource.metadata), options=EngineOptions(pool_size=12)
    )
    with database.connect() as connection:
        create_tables(connection, LibraryResource.metadata)
    return database
