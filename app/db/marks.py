"""The keys that the layer reads in `info` of columns, tables, indexes and constraints, and in the
execution options of statements."""

# A column's info:
SECRET = "secret"  # noqa: S105 - the name of a mark. The value is in no record.
INTERNAL = "internal"  # How the row is kept or found: the value is in no record.
BOOKKEEPING = "bookkeeping"  # A change of the column does not raise the version.
LARGE = "large"  # Values may be large: pages with a budget of bytes stop reading them.
OWNED = "owned"  # A foreign key to the owner of the row: `dependants` does not count the row.
HISTORY = "history"  # A foreign key to who did something: `dependants` does not count the row.
HISTORY_UNLESS = "history_unless"  # SQL condition on the row: while it is false, as HISTORY.
FIELD = "field"  # The attribute of the column, if it has another name. The layer sets it. In the
# info of a CHECK constraint: the field that it is about, where its name does not say it.

# A table's info:
LIVE_WHILE = "live_while"  # SQL condition: while it is true, a row of this (never soft-deleted)
# table counts among the `dependants` of the rows it references.
SIDE_EFFECTS = "side_effects"  # Triggers of the table change rows of other tables: the names of
# those tables, or True. True too if triggers delete rows there or change primary keys.
RULES = "rules"  # Errors by the names of rules that triggers or constraints report.

# The info of a unique index:
FIELDS = "fields"  # The fields that a unique index is about, where its expressions do not say it.

# Execution options:
CHANGES_NOTHING = "changes_nothing"  # The statement changes no mapped row, so it expires nothing.
INCLUDE_DELETED = "include_deleted"  # The ORM query is about soft-deleted rows too.
SAYS_LIVE = "says_live"  # The ORM query says by itself that only live rows are wanted.
