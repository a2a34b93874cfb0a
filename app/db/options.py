"""The execution options that the layer reads."""

CHANGES_NOTHING = "changes_nothing"
"""Of any statement: it changes no mapped row, so nothing loaded is expired after it."""

INCLUDE_DELETED = "include_deleted"
"""Of an ORM query: soft-deleted rows are wanted too."""

SAYS_LIVE = "says_live"
"""Of an ORM query: it says by itself that only live rows are wanted."""
