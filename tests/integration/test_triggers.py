"""Every table of a Resource has the trigger that raises its versions, or a check says so."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import Computed, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column, registry

from app.administration import MIGRATIONS
from app.db import (
    Base,
    BulkWriter,
    Database,
    Resource,
    check_tables,
    create_tables,
    violations,
)
from app.db.admin import Migrations
from app.db.errors import Contention
from app.db.marks import BOOKKEEPING
from app.db.tables import NAMES
from app.models import Base as CaseloadBase
from app.services.readiness import SchemaMismatch, check_ready
from tests.server import copy_template, create_beside, drop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Own(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Crate(_Own):
    __tablename__ = "crates"

    label: Mapped[str]
    seen: Mapped[int] = mapped_column(server_default="0", info={BOOKKEEPING: True})
    upper: Mapped[str] = mapped_column(Text, Computed("upper(label)", persisted=True))


class OldCrate(_Own):
    """A name that SQL must quote."""

    __tablename__ = "Old"

    label: Mapped[str]


class Crates(BulkWriter[Crate]):
    model = Crate


CRATES = Crates()

_ENV = """
from alembic import context
from app.db.admin import render_item
from app.db.types import JSONObject
from app.models.types import MinorUnits, TransactionId
from sqlalchemy import Column, Integer, MetaData, Table
metadata = MetaData()
Table(
    "typed", metadata, Column("id", Integer, primary_key=True), Column("notes", JSONObject()),
    Column("price", MinorUnits()), Column("writer", TransactionId()),
)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
"""
_FIRST = """
import sqlalchemy as sa
from alembic import op
from app.db import touch
revision, down_revision = "first", None
def upgrade():
    op.create_table(
        "crates",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("seen", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now()),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now()),
        sa.Column("upper", sa.Text, sa.Computed("upper(label)", persisted=True)),
    )
    touch(op, "crates", ignoring=["seen", "upper"])
    touch(op, "crates", ignoring=["seen", "upper"])
def downgrade():
    op.drop_table("crates")
"""


@pytest.fixture
def url(template_url: str, worker_id: str) -> Iterator[str]:
    """A database with nothing in it."""
    url = create_beside(template_url, f"triggers_{worker_id}")
    yield url
    drop(url)


@pytest.fixture
def crates(url: str) -> Iterator[Database]:
    database = Database(url, violations=violations(_Own.metadata))
    yield database
    database.dispose()


@pytest.fixture
def migrated(template_url: str, worker_id: str) -> Iterator[Database]:
    """A Caseload database to take apart."""
    url = copy_template(template_url, f"triggers_of_caseload_{worker_id}")
    database = Database(url)
    yield database
    database.dispose()
    drop(url)


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def create(database: Database) -> UUID:
    with database.connect() as connection:
        create_tables(connection, _Own.metadata)
        key: UUID = CRATES.insert_many(connection, [{"label": "a"}])[0]
        return key


def missing(database: Database) -> list[str]:
    with database.connect(read_only=True) as connection:
        return check_tables(connection, _Own.metadata)


def test_tables_are_created_with_their_triggers(crates: Database) -> None:
    """A change raises the version; bookkeeping, a generated column and the same value do not."""
    key = create(crates)
    assert missing(crates) == []
    for change, version in (
        ("seen = seen + 1", 1),
        ("label = label", 1),
        ("label = 'b'", 2),
        ("label = 'c', seen = 0", 3),
    ):
        run(crates.url, f"UPDATE crates SET {change}")
        assert run(crates.url, "SELECT version FROM crates") == [(version,)], change
    with crates.session() as session:
        assert CRATES.get(session, key) is not None
        create_tables(session.connection(), _Own.metadata)  # again does no harm


def test_a_write_on_an_old_version_is_refused(crates: Database) -> None:
    """The trigger is what the ORM's guard relies on."""
    key = create(crates)
    with pytest.raises(Contention), crates.session() as session:
        crate = CRATES.get(session, key)
        assert crate is not None
        run(crates.url, "UPDATE crates SET label = 'theirs'")
        crate.label = "mine"
    assert run(crates.url, "SELECT label FROM crates") == [("theirs",)]


UNGUARDED = "its versions stay as they are."
DISABLED = f"The trigger crates_touch of the table crates is disabled: {UNGUARDED}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "DROP TRIGGER crates_touch ON crates",
            f"The table crates has no trigger that calls touch_row: {UNGUARDED}",
        ),
        (
            "ALTER TABLE crates DISABLE TRIGGER crates_touch",
            DISABLED,
        ),
        (
            "ALTER TABLE crates ENABLE REPLICA TRIGGER crates_touch",
            DISABLED,
        ),
        (
            "CREATE OR REPLACE TRIGGER crates_touch BEFORE UPDATE OF label ON crates"  # noqa: ISC004 - one statement
            " FOR EACH ROW EXECUTE FUNCTION touch_row()",
            f"The table crates has no trigger that calls touch_row: {UNGUARDED}",
        ),
        (
            "DROP FUNCTION touch_row CASCADE; DROP TABLE crates",
            "The table crates does not exist.",
        ),
        (
            'ALTER TABLE "Old" DISABLE TRIGGER ALL',
            f'The trigger Old_touch of the table "Old" is disabled: {UNGUARDED}',
        ),
    ],
)
def test_a_trigger_that_is_missing_is_reported(
    crates: Database, change: str, sentence: str
) -> None:
    """Nobody finds out later that versions stayed at 1."""
    create(crates)
    run(crates.url, change)
    assert sentence in missing(crates)


@pytest.mark.parametrize(
    ("ignoring", "said"),
    [
        (["seen", "upper", "label"], "label, seen, upper"),  # updates of label would be lost
        (["sene", "upper"], "sene, upper"),
        ([], "no column"),
    ],
)
def test_a_trigger_that_ignores_other_columns_is_reported(
    crates: Database, ignoring: list[str], said: str
) -> None:
    """Than those that the model marks: versions would stay, or move, against it."""
    create(crates)
    arguments = ", ".join(f"'{name}'" for name in ignoring)
    run(
        crates.url,
        "CREATE OR REPLACE TRIGGER crates_touch BEFORE UPDATE ON crates"
        f" FOR EACH ROW EXECUTE FUNCTION touch_row({arguments})",
    )
    assert missing(crates) == [
        f"The trigger crates_touch of the table crates ignores {said}, and the model seen, upper."
    ]


def test_tables_without_versions_need_no_trigger(crates: Database) -> None:
    """Only what the layer moves is checked."""
    with crates.connect(read_only=True) as connection:
        assert check_tables(connection, MetaData()) == []


def test_a_migration_creates_the_trigger(crates: Database, tmp_path: Path) -> None:
    """`touch` in a migration, and again: the function is created once."""
    _write_migrations(tmp_path)
    Migrations(tmp_path / "alembic.ini", lock=1).upgrade(crates.url)
    assert missing(crates) == ['The table "Old" does not exist.']
    with crates.connect() as connection:
        CRATES.insert_many(connection, [{"label": "a"}])
    run(crates.url, "UPDATE crates SET seen = 1")
    run(crates.url, "UPDATE crates SET label = 'b'")
    assert run(crates.url, "SELECT version FROM crates") == [(2,)]


def test_the_function_is_caseloads_own(crates: Database, migrated: Database) -> None:
    """Whoever creates it first, all triggers do the same."""
    create(crates)
    with migrated.connect() as connection:
        create_tables(connection, _Own.metadata)  # beside Caseload's tables
    source = "SELECT prosrc FROM pg_proc WHERE proname = 'touch_row'"
    assert run(crates.url, source) == run(migrated.url, source)


def test_every_table_of_caseload_has_its_trigger(migrated: Database) -> None:
    """As the migrations left them."""
    with migrated.connect(read_only=True) as connection:
        assert check_tables(connection, CaseloadBase.metadata) == []
    check_ready(migrated)


def test_without_a_trigger_caseload_is_not_ready(migrated: Database) -> None:
    """It would lose updates without an error."""
    run(migrated.url, "ALTER TABLE customers DISABLE TRIGGER customers_touch")
    with pytest.raises(SchemaMismatch, match="The trigger customers_touch of the table customers"):
        check_ready(migrated)


def test_autogenerate_names_types_that_migrations_can_import(url: str, tmp_path: Path) -> None:
    """The migration that it writes for the layer's types runs as it stands."""
    _write_migrations(tmp_path, first=False)
    own = Migrations(tmp_path / "alembic.ini", lock=1)
    own.revision(url, "all", autogenerate=True)
    (written,) = (tmp_path / "versions").glob("*.py")
    source = written.read_text()
    assert "app.db.types.JSONObject" not in source
    assert re.search(r"'notes', postgresql\.JSONB\(\)", source)
    assert re.search(r"'price', sa\.BigInteger\(\)", source)
    own.upgrade(url)
    types = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute"
    found = run(url, f"{types} WHERE attrelid = 'typed'::regclass AND attnum > 0")
    assert dict(found) == {"id": "integer", "notes": "jsonb", "price": "bigint", "writer": "xid8"}
    own.check(url)


def _write_migrations(folder: Path, *, first: bool = True) -> None:
    (folder / "versions").mkdir()
    if first:
        (folder / "versions" / "first.py").write_text(_FIRST)
    (folder / "env.py").write_text(_ENV)
    (folder / "script.py.mako").write_text(
        (MIGRATIONS.ini.parent / "alembic" / "script.py.mako").read_text()
    )
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
