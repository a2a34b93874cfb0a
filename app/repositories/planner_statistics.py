"""The statistics of PostgreSQL's planner, which hold values of rows.

They are in pg_statistic, and in dumps that include statistics. They keep the values of changed
rows until the next ANALYZE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, Text, bindparam, text

from app.db import Base
from app.db.errors import NotPermitted
from app.models import Event
from app.models.base import PERSONAL

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Events written before a column became PERSONAL hold its values in a column without the mark.
TABLES = sorted(
    {Event.__tablename__}
    | {
        table.name
        for table in Base.metadata.sorted_tables
        if any(PERSONAL in column.info for column in table.c)
    }
)
"""The tables with personal data."""

# For a role that does not own the table, ANALYZE only prints a warning.
_IS_OWNER = text(
    "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class"
    " WHERE oid = ANY (CAST(:tables AS regclass[]))"
).bindparams(bindparam("tables", type_=ARRAY(Text)))
# ANALYZE keeps the old statistics of a table or partial index that is empty now, and of a column
# whose statistics target is 0 now. Since version 18 an owner can remove these.
_CAN_CLEAR = text("SELECT current_setting('server_version_num')::int >= 180000")
_CLEAR = text(
    """
    SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited) FROM pg_stats
    WHERE schemaname = current_schema() AND tablename IN (
        SELECT unnest(:tables) UNION ALL
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = ANY (CAST(:tables AS regclass[])))
    """
).bindparams(bindparam("tables", type_=ARRAY(Text)))
_ANALYZE = text(f"ANALYZE {', '.join(TABLES)}")


class PlannerStatistics:
    def renew(self, connection: Connection) -> None:
        """Replace the statistics of all tables with personal data, so that old values disappear.

        Before version 18 PostgreSQL keeps some, see `_CAN_CLEAR`. ANALYZE sees committed rows
        only: an earlier unit of work must have changed them. Raises NotPermitted for any role but
        the owner of the tables.
        """
        if not connection.execute(_IS_OWNER, {"tables": TABLES}).scalar_one():
            raise NotPermitted("Only the owner of the tables can renew their statistics.")
        if connection.execute(_CAN_CLEAR).scalar_one():
            connection.execute(_CLEAR, {"tables": TABLES})
        connection.execute(_ANALYZE)
