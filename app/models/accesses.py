"""What services do with which table, read off the tables: what the database lets them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.admin import Access
from app.db.marks import SECRET
from app.models import Base
from app.models.base import CHANGED, REMOVED
from app.models.events import EPOCHS

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table


def accesses(metadata: MetaData = Base.metadata) -> dict[str, Access]:
    """Every table's, by its name; raises TypeError where a table does not tell enough.

    And that of the sequence of epochs, which services read and never move.
    """
    of_tables = {table.name: _access(table) for table in metadata.sorted_tables}
    return {**of_tables, EPOCHS.name: Access(added=False, changed=())}


def _access(table: Table) -> Access:
    names = {column.name for column in table.c}
    changed = table.info.get(CHANGED)
    if changed is None and "version" not in names:
        raise TypeError(f"{table.name} is no resource: info={{CHANGED: (...)}} has to tell of it.")
    if unknown := set(changed or ()) - names:
        raise TypeError(f"{table.name} has no columns {sorted(unknown)}, which are CHANGED.")
    secret = names if table.info.get(SECRET) else {c.name for c in table.c if c.info.get(SECRET)}
    return Access(
        changed=changed, removed=bool(table.info.get(REMOVED)), shown=frozenset(names - secret)
    )
