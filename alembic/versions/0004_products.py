"""Products, and what full-text search needs: the words that occur, for typos.

Nothing that was there before changes.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

# Of a table's new rows the words that are new. It locks nothing and so keeps nobody waiting: two
# units that add the same word at once both add it, which does no harm.
COLLECT_WORDS = """
CREATE FUNCTION collect_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_words (resource, word)
    SELECT TG_TABLE_NAME, lexeme
    FROM (SELECT DISTINCT unnest(tsvector_to_array(search)) AS lexeme FROM added) AS found
    WHERE char_length(lexeme) <= 40 AND NOT EXISTS
        (SELECT FROM search_words WHERE resource = TG_TABLE_NAME AND word = lexeme);
    RETURN NULL;
END $$
"""

# A lower threshold than pg_trgm's own: two letters swapped in a word of five are similar by 0.2.
# It is set inside: a function that says SET is restored from a dump by superusers only.
SIMILAR_WORDS = """
CREATE FUNCTION similar_words(of_resource text, misspelt text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pg_trgm.similarity_threshold', '0.2', true);
    RETURN QUERY
    SELECT word FROM search_words WHERE resource = of_resource AND word % misspelt
    GROUP BY word ORDER BY word <-> misspelt, word LIMIT 50;
END $$
"""

SEARCH = """
setweight(to_tsvector('english'::regconfig, translate(sku, {apart}::text)), 'A'::"char") ||
setweight(to_tsvector('english'::regconfig, translate(name, {apart}::text)), 'A'::"char") ||
setweight(to_tsvector('english'::regconfig, translate(description, {apart}::text)), 'B'::"char")
""".format(apart="'<>&-+./@_~:'::text, '           '")

# A change of one of these moves the version.
COLUMNS = "id, version, sku, name, description, price, currency, is_active, created_at, deleted_at"


def upgrade() -> None:
    _create_search_words()
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", TIMESTAMP),
        sa.Column("search", postgresql.TSVECTOR, sa.Computed(SEARCH, persisted=True)),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        _check("sku", "char_length(sku) BETWEEN 1 AND 64"),
        _check("name", "char_length(name) BETWEEN 1 AND 200"),
        _check("description", "char_length(description) <= 10000"),
        _check("price", "price BETWEEN 0 AND 1000000000000000"),
        _check("currency", "currency ~ '^[A-Z]{3}$'"),
    )
    op.create_index(
        "uq_products_sku",
        "products",
        ["sku"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_products_created_at", "products", ["created_at", "id"])
    op.create_index("ix_products_name", "products", ["name", "id"])
    op.create_index(
        "ix_products_search",
        "products",
        ["search"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    _touch()
    for event in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER products_words_{event.lower()} AFTER {event} ON products"
            " REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION collect_words()"
        )


def _create_search_words() -> None:
    op.create_table(
        "search_words",
        sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_words"),
    )
    op.create_index("ix_search_words_resource", "search_words", ["resource", "word"])
    op.create_index(
        "ix_search_words_word",
        "search_words",
        ["word"],
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    op.execute(COLLECT_WORDS)
    op.execute(SIMILAR_WORDS)


def downgrade() -> None:
    op.drop_table("products")
    op.execute("DROP FUNCTION similar_words(text, text)")
    op.execute("DROP FUNCTION collect_words()")
    op.drop_table("search_words")


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_products_{name}"))


def _touch() -> None:
    """By name: before the row is written, the generated column is not known."""
    old, new = (
        ", ".join(f"{row}.{column}" for column in COLUMNS.split(", ")) for row in ("OLD", "NEW")
    )
    op.execute(
        f"CREATE TRIGGER products_touch BEFORE UPDATE ON products FOR EACH ROW"
        f" WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION touch_row()"
    )
