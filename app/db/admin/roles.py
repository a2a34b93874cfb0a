"""The names of a service's roles in PostgreSQL, and the SQL that creates them."""

import re
from dataclasses import astuple, dataclass

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

# Triggers run with the rights, and the search_path, of the role that writes. Only the owner can
# create tables and functions, so no other role can shadow one that a trigger names.
_SETUP = """\
BEGIN;

DO $$
DECLARE
    role text;
    here text := quote_ident(current_database());
BEGIN
    FOREACH role IN ARRAY ARRAY['{owner}', '{app}', '{read}'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE 'CREATE ROLE ' || role || ' LOGIN';
        END IF;
    END LOOP;
    EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || here || ' FROM PUBLIC';
    EXECUTE 'REVOKE ALL ON DATABASE ' || here || ' FROM {app}, {read}';
    EXECUTE 'GRANT CONNECT ON DATABASE ' || here
        || ' TO {owner}, {app}, {read}';
    EXECUTE 'GRANT CREATE ON DATABASE ' || here || ' TO {owner}';  -- for extensions
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM {app}, {read};
GRANT USAGE ON SCHEMA public TO {owner}, {app}, {read};
GRANT CREATE ON SCHEMA public TO {owner};

COMMIT;
"""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """`owner` owns the tables and migrates them, `app` serves, `read` reads for reports.

    Raises ValueError for a name that SQL would have to quote.
    """

    owner: str
    app: str
    read: str

    def __post_init__(self) -> None:
        for name in astuple(self):
            if not _NAME.fullmatch(name):
                raise ValueError(f"The role {name!r} needs a name of a-z, 0-9 and _ alone.")

    def setup_sql(self) -> str:
        """SQL for a superuser, or for the database's owner with CREATEROLE, in that database.

        It creates the roles that do not exist, without passwords, and gives each its rights on the
        database and the schema. It can run again. `grant` gives the rights on tables.
        """
        return _SETUP.format(owner=self.owner, app=self.app, read=self.read)
