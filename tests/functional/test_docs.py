"""The documentation is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy import Boolean, DateTime, Float, Integer, Interval, Uuid

from app.cli import COMMANDS, command
from app.models import Base
from app.models.types import MinorUnits, TransactionId
from app.repositories.customer_erasure import ALWAYS, WITH_MESSAGES
from docs.generate.pages import all_pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.db import Resource

ROOT = Path(__file__).parents[2]
ERASURE = (ROOT / "docs/erasure.md").read_text()


def test_the_generated_pages_are_what_the_code_makes() -> None:
    """Diagrams, states and the pages of the API; `make docs` writes them anew."""
    pages = all_pages()
    old = [path.name for path, text in pages.items() if path.read_text() != text]
    assert not old, "Run `make docs`."


def test_no_generated_page_is_left_over() -> None:
    """A resource that goes takes its page along."""
    assert {*(ROOT / "docs/api").iterdir()} <= all_pages().keys()


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in found}


def test_every_relative_link_leads_somewhere() -> None:
    """No page points at a page, or at a heading of one, that is not there."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert len(found) > 5
    for page in found:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in headings(path), f"{page.name}: {target}#{anchor}"


def test_the_indexes_lead_to_every_page() -> None:
    """docs/README.md, and docs/adr/README.md to every decision."""
    for index in (ROOT / "docs/README.md", ROOT / "docs/adr/README.md"):
        others = {page.name for page in index.parent.glob("*.md")} - {"README.md"}
        linked = set(re.findall(r"\]\(([^)#/]+)", index.read_text()))
        assert others <= linked, others - linked


_FILE = re.compile(r"`((?:app|tests|docs|alembic|benchmarks|examples|fuzz)/[\w./-]*\.\w+)`")
_NAMES = re.compile(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)")
_TEST = re.compile(r"`(test_\w+)`")


def pages() -> list[Path]:
    """All but the history, which names files of its time."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [page for page in found if page.name != "CHANGELOG.md" and page.parent.name != "adr"]


def names_in(path: Path) -> set[str]:
    """Functions and classes of a module, and methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found


def test_every_file_that_a_page_names_exists() -> None:
    """By its path from the root."""
    for page in pages():
        for name in _FILE.findall(page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_every_name_after_a_file_is_in_it() -> None:
    """Where a page says `file.py`: `name`."""
    found = [(page, *match) for page in pages() for match in _NAMES.findall(page.read_text())]
    assert len(found) > 15
    for page, path, names in found:
        assert set(re.findall(r"[\w.]+", names)) <= names_in(ROOT / path), f"{page.name}: {path}"


def test_cells_of_tables_are_short() -> None:
    """A cell that needs more than 25 words is prose."""
    for page in pages():
        rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
        cells = [cell for row in rows for cell in row.strip("|").split(" | ")]
        assert not [cell for cell in cells if len(cell.split()) > 25], page.name


def test_pages_name_the_newest_migration() -> None:
    """Where they show a revision: an operator compares it, and a recipe goes on from it."""
    head = max((ROOT / "alembic/versions").glob("*.py")).name.partition("_")[0]
    operations, recipes = (ROOT / "docs" / name for name in ("operations.md", "recipes.md"))
    assert set(re.findall(r"The schema is at (\d+)", operations.read_text())) == {head}
    assert set(re.findall(r'down_revision = "(\d+)"', recipes.read_text())) == {head}


def test_the_guard_tests_exist() -> None:
    """By the names that docs/guard-tests.md gives them."""
    named = set(_TEST.findall((ROOT / "docs/guard-tests.md").read_text()))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 40
    assert {name for name in named if f"def {name}(" not in tests} == set()


_TEXTLESS = (Integer, Float, Boolean, Uuid, DateTime, Interval, TransactionId, MinorUnits)
# Not of resources: they are erased by statements of their own.
_ELSEWHERE = {
    "task_attempts.error",
    "event_personal_values.changes",
    "events.changes",
    "idempotency_keys.answer",
}


def columns_of(model: type[Resource], names: Iterable[str]) -> set[str]:
    return {f"{model.__tablename__}.{model.__table__.c[name].name}" for name in names}


def test_every_column_with_text_is_erased_or_kept_for_a_reason() -> None:
    """Somebody has decided about each; what the code erases is what is told."""
    parts = re.split(r"^##+ (?:Always|With|Never).*$|^## How", ERASURE, flags=re.MULTILINE)[1:4]
    first_cells = [re.findall(r"^\|(.*?)\|", part, re.MULTILINE) for part in parts]
    always, messages, never = (set(re.findall(r"\w+\.\w+", str(cells))) for cells in first_cells)
    assert not always & messages
    assert not (always | messages) & never
    assert always | messages | never == {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.c
        if not isinstance(column.type, _TEXTLESS)
        and not isinstance(getattr(column.type, "item_type", None), Uuid)
    }
    for overwritten, reported in ((ALWAYS, always - _ELSEWHERE), (WITH_MESSAGES, messages)):
        assert set().union(*(columns_of(*of) for of in overwritten.items())) == reported


def test_every_command_that_a_page_names_exists() -> None:
    """A group of commands, and its command."""
    for page in pages():
        for name, verb in re.findall(r"\bflask ([a-z]+) ([a-z]+)\b", page.read_text()):
            found = command(name) if name in COMMANDS else None
            if isinstance(found, click.Group):
                assert verb in found.commands, f"{page.name}: flask {name} {verb}"
