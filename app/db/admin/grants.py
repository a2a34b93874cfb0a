"""What Caseload's roles may do with each table: whoever migrates grants it to those that exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.db.admin.roles import APP, READ

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

_KEPT_BY_THE_DATABASE = ("id", "version", "created_at", "updated_at")

_ROLES = text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")
# Only what is one's own: a service that finds nothing left to migrate has nothing to grant either.
_TABLES = text("""
SELECT relname, array_agg(attname::text ORDER BY attnum)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND attnum > 0 AND NOT attisdropped AND pg_has_role(relowner, 'USAGE')
GROUP BY relname
""")
_SEQUENCES = text("""
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' AND pg_has_role(relowner, 'USAGE')
""")


@dataclass(frozen=True)
class Access:
    """What services do with a table beside reading it, and which of its columns reports may see.

    `changed` is None where they may change all columns that the database does not keep itself,
    also those of the release before, which runs while this one migrates.
    """

    added: bool = True
    changed: Collection[str] | None = None
    removed: bool = False
    shown: Collection[str] = ()

    def privileges(self, role: str, columns: Iterable[str]) -> list[str]:
        if role == READ:
            return _on_columns("SELECT", (name for name in columns if name in self.shown))
        whole = {"SELECT": True, "INSERT": self.added, "DELETE": self.removed}
        changed = (name for name in columns if self._is_changed(name))
        return [name for name, given in whole.items() if given] + _on_columns("UPDATE", changed)

    def _is_changed(self, column: str) -> bool:
        if self.changed is None:
            return column not in _KEPT_BY_THE_DATABASE
        return column in self.changed


_ALEMBICS_OWN = {"alembic_version": Access(added=False, changed=())}


def grant(connection: Connection, accesses: Mapping[str, Access]) -> None:
    """Leave the roles that exist with what is declared, and nothing else, on what exists of it."""
    declared = {**accesses, **_ALEMBICS_OWN}
    statements: list[str] = []
    for role in connection.execute(_ROLES, {"names": [APP, READ]}).scalars().all():
        for name, columns in connection.execute(_TABLES):
            if name in declared:
                privileges = declared[name].privileges(role, columns)
                statements += _exactly(privileges, f"TABLE {_quoted(name)}", role)
        for name in connection.execute(_SEQUENCES).scalars():
            moved = name not in declared or declared[name].added
            privileges = ["USAGE" if moved else "SELECT"] if role == APP else []
            statements += _exactly(privileges, f"SEQUENCE {_quoted(name)}", role)
    if statements:
        connection.exec_driver_sql("; ".join(statements))


def _exactly(privileges: list[str], target: str, role: str) -> Iterator[str]:
    yield f"REVOKE ALL ON {target} FROM {role}"  # and so on each of its columns
    if privileges:
        yield f"GRANT {', '.join(privileges)} ON {target} TO {role}"


def _on_columns(privilege: str, names: Iterable[str]) -> list[str]:
    listed = ", ".join(map(_quoted, names))
    return [f"{privilege} ({listed})"] if listed else []


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
