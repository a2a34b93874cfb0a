"""A database as an administrator sets it up: with Caseload's roles, migrated by its owner."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2

from app.administration import ROLES
from tests.server import create_beside, on_database

_PRIVILEGES = """
SELECT relname, privilege_type, NULL
FROM pg_class, aclexplode(relacl) WHERE grantee = %(role)s::regrole
UNION ALL
SELECT relname, privilege_type, attname
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
WHERE grantee = %(role)s::regrole
ORDER BY 2, 3
"""


def create_with_roles(template_url: str, suffix: str) -> str:
    """An empty database on which an administrator has set up the roles."""
    url = create_beside(template_url, suffix)
    with closing(psycopg2.connect(on_database(url, "postgres"))) as connection:
        # Roles are the server's: of several workers one makes them.
        connection.cursor().execute("SELECT pg_advisory_lock(7203199)")
        run(url, ROLES.setup_sql())
    return url


def as_role(url: str, role: str) -> str:
    """The URL by which one is that role from the start, with its rights alone."""
    return f"{url}{'&' if '?' in url else '?'}options=-crole%3D{role}"


def run(url: str, statement: str, **bound: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, bound or None)
            return cursor.fetchall() if cursor.description else []


def privileges(url: str, role: str) -> dict[str, str]:
    """What the catalog says that the role may do with which table or sequence."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, privilege, column in run(url, _PRIVILEGES, role=role):
        found.setdefault(name, {}).setdefault(privilege, []).extend([column] if column else [])
    return {name: ", ".join(map(_spelt, each.items())) for name, each in found.items()}


def _spelt(granted: tuple[str, list[str]]) -> str:
    privilege, columns = granted
    return f"{privilege} ({', '.join(columns)})" if columns else privilege
