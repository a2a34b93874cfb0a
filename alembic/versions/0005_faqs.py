"""FAQs, found by full-text search.

Nothing that was there before changes.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

SEARCH = """
setweight(to_tsvector('english'::regconfig, translate(question, {apart}::text)), 'A'::"char") ||
setweight(to_tsvector('english'::regconfig, translate(answer, {apart}::text)), 'B'::"char")
""".format(apart="'<>&-+./@_~:'::text, '           '")

# A change of one of these moves the version.
COLUMNS = "id, version, question, answer, product_id, tags, is_published, created_at, deleted_at"


def upgrade() -> None:
    op.create_table(
        "faqs",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("product_id", sa.Uuid),
        sa.Column("tags", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("is_published", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", TIMESTAMP),
        sa.Column("search", postgresql.TSVECTOR, sa.Computed(SEARCH, persisted=True)),
        sa.PrimaryKeyConstraint("id", name="pk_faqs"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_faqs_product_id"),
        _check("question", "char_length(question) BETWEEN 1 AND 500"),
        _check("answer", "char_length(answer) BETWEEN 1 AND 20000"),
        _check("tags", "array_position(tags, NULL) IS NULL"),
    )
    op.create_index(
        "ix_faqs_product_id",
        "faqs",
        ["product_id"],
        postgresql_where=sa.text("product_id IS NOT NULL"),
    )
    op.create_index("ix_faqs_tags", "faqs", ["tags"], postgresql_using="gin")
    op.create_index("ix_faqs_created_at", "faqs", ["created_at", "id"])
    op.create_index(
        "ix_faqs_search",
        "faqs",
        ["search"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    _touch()
    for event in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER faqs_words_{event.lower()} AFTER {event} ON faqs"
            " REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION collect_words()"
        )


def downgrade() -> None:
    op.drop_table("faqs")
    op.execute("DELETE FROM search_words WHERE resource = 'faqs'")


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_faqs_{name}"))


def _touch() -> None:
    """By name: before the row is written, the generated column is not known."""
    old, new = (
        ", ".join(f"{row}.{column}" for column in COLUMNS.split(", ")) for row in ("OLD", "NEW")
    )
    op.execute(
        f"CREATE TRIGGER faqs_touch BEFORE UPDATE ON faqs FOR EACH ROW"
        f" WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION touch_row()"
    )
