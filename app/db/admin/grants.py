"""The rights of a service's roles on each table and sequence: migrations grant them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from .roles import Roles

_KEPT_BY_THE_DATABASE = ("id", "version", "created_at", "updated_at")

_ROLES = text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")
# Only those that the connection's user owns: a service, which owns none, may call grant() too.
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
    """The rights on one table: `app` reads it, and `read` sees the columns in `shown`.

    `added`, `removed`: whether `app` may INSERT and DELETE. `changed`: the columns it may UPDATE;
    None means all but those that the database keeps itself, also columns of the previous release,
    which runs while this one migrates.
    """

    added: bool = True
    changed: Collection[str] | None = None
    removed: bool = False
    shown: Collection[str] = ()

    def of_app(self, columns: Iterable[str]) -> list[str]:
        whole = {"SELECT": True, "INSERT": self.added, "DELETE": self.removed}
        changed = (name for name in columns if self._is_changed(name))
        return [name for name, given in whole.items() if given] + _on_columns("UPDATE", changed)

    def of_read(self, columns: Iterable[str]) -> list[str]:
        return _on_columns("SELECT", (name for name in columns if name in self.shown))

    def _is_changed(self, column: str) -> bool:
        if self.changed is None:
            return column not in _KEPT_BY_THE_DATABASE
        return column in self.changed


_ALEMBICS_OWN = {"alembic_version": Access(added=False, changed=())}


def grant(connection: Connection, roles: Roles, accesses: Mapping[str, Access]) -> None:
    """Give `roles.app` and `roles.read`, if they exist, exactly the rights in `accesses`.

    The keys are names of tables and sequences. On every table named there and on every sequence,
    all other rights of the two roles are revoked; a sequence that is not named may be moved.
    """
    declared = {**accesses, **_ALEMBICS_OWN}
    statements: list[str] = []
    for role in connection.execute(_ROLES, {"names": [roles.app, roles.read]}).scalars().all():
        serves = role == roles.app
        for name, columns in connection.execute(_TABLES):
            if access := declared.get(name):
                privileges = access.of_app(columns) if serves else access.of_read(columns)
                statements += _exactly(privileges, f"TABLE {_quoted(name)}", role)
        for name in connection.execute(_SEQUENCES).scalars():
            moved = name not in declared or declared[name].added
            privileges = ["USAGE" if moved else "SELECT"] if serves else []
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
