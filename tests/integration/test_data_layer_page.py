"""The examples of docs/data-layer.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.db import Database, Repository, filters_on, sorts_on, violations
from app.db.admin import Migrations, Roles
from app.db.testing import Snapshot, all_or_nothing
from tests.library import BOOKS, SHELVES, Book, LibraryResource, Shelf

PAGE = Path(__file__).parents[2] / "docs/data-layer.md"

if TYPE_CHECKING:
    from uuid import UUID


def make_rows(library: Database) -> tuple[UUID, UUID]:
    with library.session() as session:
        book = BOOKS.add(session, Book(title="T", isbn="1"))
        return book.id, SHELVES.add(session, Shelf(name="s")).id


def test_the_examples_run(
    library: Database,
    library_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All blocks of code, on the books and shelves of the tests."""
    first, second, third, fourth = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    key, old_shelf = make_rows(library)
    names: dict[str, Any] = {
        "Book": Book,
        "Database": Database,
        "Migrations": Migrations,
        "Path": Path,
        "Repository": Repository,
        "Roles": Roles,
        "books": BOOKS,
        "filters_on": filters_on,
        "key": key,
        "metadata": LibraryResource.metadata,
        "old_shelf": old_shelf,
        "shelves": SHELVES,
        "sorts_on": sorts_on,
        "url": library_url,
        "violations": violations,
    }
    exec(first, names)  # noqa: S102 - the documentation
    names["database"].dispose()
    assert names["changes"] == {"copies": (1, 3)}
    exec(second, names)  # noqa: S102 - same
    with library.session(read_only=True) as session:
        found = names["BookRepository"]().find(session, isbn="1")
        assert found is not None
        assert found.copies == 3
        assert SHELVES.get(session, old_shelf) is None
    monkeypatch.chdir(PAGE.parents[1])
    exec(third, names)  # noqa: S102 - same
    assert "CREATE ROLE" in capsys.readouterr().out
    names |= {
        "Snapshot": Snapshot,
        "add_shelf": lambda name: add_shelf(names["database"], name),
        "all_or_nothing": all_or_nothing,
    }
    exec(fourth, names)  # noqa: S102 - same
    names["snapshot"].close()


def add_shelf(database: Database, name: str) -> None:
    with database.session() as session:
        SHELVES.add(session, Shelf(name=name))
