"""What PostgreSQL's planner keeps of the values of rows: in pg_statistic, and in some dumps.

It stays there when the rows have changed, until the next ANALYZE.
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

# Events hold in themselves what became personal after they were written.
TABLES = sorted(
    {Event.__tablename__}
    | {
        table.name
        for table in Base.metadata.sorted_tables
        if any(PERSONAL in column.info for column in table.c)
    }
)
"""The tables with personal data."""

# To somebody else ANALYZE gives a warning and does nothing.
_IS_OWNER = text(
    "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class"
    " WHERE oid = ANY (CAST(:tables AS regclass[]))"
).bindparams(bindparam("tables", type_=ARRAY(Text)))
# ANALYZE leaves what it had of a table or partial index that is empty now, and of a column whose
# target was set to 0 later. Only since version 18 may an owner remove that.
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
        """Forget the values that rows had and have no more, as far as this server lets an owner.

        ANALYZE sees what is committed: the rows must have been changed by an earlier unit of work.
        Raises NotPermitted for any role but the owner of the tables.
        """
        if not connection.execute(_IS_OWNER, {"tables": TABLES}).scalar_one():
            raise NotPermitted("Only the owner of the tables renews their statistics.")
        if connection.execute(_CAN_CLEAR).scalar_one():
            connection.execute(_CLEAR, {"tables": TABLES})
        connection.execute(_ANALYZE)
