"""Books, members, loans and reservations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem
from unitwork import touch

revision = "0001"
down_revision = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    _create_resource(
        "books",
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("isbn", sa.Text, nullable=False),
        sa.Column("copies", sa.Integer, nullable=False, server_default="1"),
        sa.Column("deleted_at", TIMESTAMP),
        sa.CheckConstraint("char_length(title) BETWEEN 1 AND 300", name=op.f("ck_books_title")),
        sa.CheckConstraint("isbn ~ '^[0-9]{12}[0-9X]$'", name=op.f("ck_books_isbn")),
        sa.CheckConstraint("copies BETWEEN 1 AND 1000", name=op.f("ck_books_copies")),
    )
    _create_index("uq_books_isbn", "books", ["isbn"], "deleted_at IS NULL")
    _create_resource(
        "members",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("deleted_at", TIMESTAMP),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_members_name")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_members_email")),
    )
    _create_index("uq_members_email", "members", ["email"], "deleted_at IS NULL")
    _create_resource(
        "loans",
        *_book_and_member("loans"),
        sa.Column("due_at", TIMESTAMP, nullable=False),
        sa.Column("returned_at", TIMESTAMP),
    )
    _create_index("uq_loans_once", "loans", ["book_id", "member_id"], "returned_at IS NULL")
    _create_index("ix_loans_due_at", "loans", ["due_at", "id"], "returned_at IS NULL")
    _create_resource(
        "reservations",
        *_book_and_member("reservations"),
        sa.Column("ready_at", TIMESTAMP),
        sa.Column("closed_at", TIMESTAMP),
    )
    once = ["book_id", "member_id"]
    _create_index("uq_reservations_once", "reservations", once, "closed_at IS NULL")


def downgrade() -> None:
    for table in ("reservations", "loans", "members", "books"):
        op.drop_table(table)


def _create_resource(table: str, *items: SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *items,
    )
    touch(op, table)


def _book_and_member(table: str) -> tuple[SchemaItem, ...]:
    return (
        sa.Column("book_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.id"], name=op.f(f"fk_{table}_book_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f(f"fk_{table}_member_id")),
    )


def _create_index(name: str, table: str, columns: list[str], condition: str) -> None:
    is_unique = name.startswith("uq_")
    op.create_index(name, table, columns, unique=is_unique, postgresql_where=sa.text(condition))
