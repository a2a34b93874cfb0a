"""The rights that the database grants services on each table, from the marks of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.admin import Access
from app.db.marks import SECRET
from app.models import Base
from app.models.base import CHANGED, REMOVED
from app.models.events import EPOCHS

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table


def table_privileges(metadata: MetaData = Base.metadata) -> dict[str, Access]:
    """The rights on every table, and on the sequence of epochs, by the table's or sequence's name.

    Raises TypeError for a table whose marks are missing or wrong.
    """
    of_tables = {table.name: _of_table(table) for table in metadata.sorted_tables}
    # Services read the epoch; `flask db restored` begins one as the owner of the tables.
    return {**of_tables, EPOCHS.name: Access(added=False, changed=())}


def _of_table(table: Table) -> Access:
    names = {column.name for column in table.c}
    changed = table.info.get(CHANGED)
    if changed is None and "version" not in names:
        raise TypeError(
            f"Table {table.name} is no resource: name the columns that services UPDATE in "
            "info={CHANGED: (...)}."
        )
    if unknown := sorted(set(changed or ()) - names):
        raise TypeError(f"Table {table.name} has no columns {unknown}, which CHANGED names.")
    secret = names if table.info.get(SECRET) else {c.name for c in table.c if c.info.get(SECRET)}
    return Access(
        changed=changed, removed=bool(table.info.get(REMOVED)), shown=frozenset(names - secret)
    )
