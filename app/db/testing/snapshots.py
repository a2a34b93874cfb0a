"""All rows of some tables: kept once, compared with those of later, and put back."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors
from psycopg2 import sql

Rows = Counter[tuple[str, str]]
"""How often each row occurs: (name of the table, the row as JSON)."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r'"\d{4}-\d\d-\d\dT[^"]*"')


class Difference(NamedTuple):
    """The rows that a call has added and removed; a changed row is in both."""

    added: list[str]
    removed: list[str]


NO_DIFFERENCE = Difference([], [])


class Snapshot:
    """The rows of `tables` as they are when it is created, on a connection of its own.

    `ignoring` names, for each table, columns that are not compared. `restore` puts rows back
    without running triggers and without checking foreign keys, which needs a superuser, or the
    right to set `session_replication_role`.
    """

    def __init__(
        self,
        url: str,
        tables: Sequence[str],
        *,
        ignoring: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self._connection = psycopg2.connect(url)
        self._ignoring = {table: list(ignoring.get(table, ())) for table in tables}
        self._contents = {table: self._copy_out(table) for table in tables}
        self.taken = self.rows()
        self._ids = set(_UUID.findall(" ".join(row for _, row in self.taken)))

    def close(self) -> None:
        self._connection.close()

    def rows(self) -> Rows:
        """The rows as they are now."""
        one = "SELECT {name}, (to_jsonb(t) - {ignored}::text[])::text FROM {table} AS t"
        selects = [
            sql.SQL(one).format(
                name=sql.Literal(table), ignored=sql.Literal(ignored), table=sql.Identifier(table)
            )
            for table, ignored in self._ignoring.items()
        ]
        return Counter(self.run(sql.SQL(" UNION ALL ").join(selects)))

    def difference(self) -> Difference:
        """How the rows differ from those that were taken; equal after two equal calls."""
        now = self.rows()
        return Difference(self._listed(now - self.taken), self._listed(self.taken - now))

    def normalised(self, row: str) -> str:
        """The row without values that differ at each run: new ids, and times. Override for more."""
        row = _UUID.sub(lambda found: found[0] if found[0] in self._ids else "new", row)
        return _TIME.sub("?", row)

    def restore(self) -> None:
        """Put the rows back that were taken, and remove all others. Sequences are not put back."""
        now = self.rows()
        changed = {table for table, _ in (now - self.taken) + (self.taken - now)}
        changed |= {table for table, ignored in self._ignoring.items() if ignored}
        with self._connection, self._connection.cursor() as cursor:
            _switch_triggers_off(cursor)
            for table in changed:
                name = sql.Identifier(table)
                cursor.execute(sql.SQL("DELETE FROM {}").format(name))
                copy = sql.SQL("COPY {} FROM STDIN").format(name)
                cursor.copy_expert(copy, BytesIO(self._contents[table]))

    def check_may_restore(self) -> None:
        """Raises PermissionError where the role may not do what `restore` does."""
        with self._connection, self._connection.cursor() as cursor:
            _switch_triggers_off(cursor)

    def run(self, statement: str | sql.Composable) -> list[tuple[Any, ...]]:
        """Run SQL and commit; returns the rows."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _copy_out(self, table: str) -> bytes:
        content = BytesIO()
        with self._connection, self._connection.cursor() as cursor:
            copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
            cursor.copy_expert(copy, content)
        return content.getvalue()

    def _listed(self, rows: Rows) -> list[str]:
        return sorted(f"{table} {self.normalised(row)}" for table, row in rows.elements())


def _switch_triggers_off(cursor: Any) -> None:
    """Until the transaction ends."""
    try:
        cursor.execute("SET LOCAL session_replication_role = replica")
    except psycopg2.errors.InsufficientPrivilege as error:
        cursor.connection.rollback()
        cursor.execute("SELECT current_user")
        role = cursor.fetchone()[0]
        raise PermissionError(
            f"The role {role} may not set session_replication_role, without which rows cannot be"
            " put back. Connect to the test database as a superuser, or let one run:"
            f' GRANT SET ON PARAMETER session_replication_role TO "{role}".'
        ) from error
