"""`flask db`: migrations, roles, a shell, and the change feed after a restore."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import click
from sqlalchemy import make_url

from app.administration import MIGRATIONS, ROLES_SQL
from app.cli.kit.commands import Group, Refused, SetUpVerb, database, service
from app.cli.kit.output import print_line, print_text
from app.cli.kit.types import Text
from app.db.errors import Unavailable
from app.embedded import EmbeddedServerError, find_bindir
from app.services import EventService

db = Group("db", help="The database and its schema.")


@db.command("upgrade", cls=SetUpVerb)
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up to REVISION."""
    MIGRATIONS.upgrade(database().url, revision)
    print_line(f"The schema is at {MIGRATIONS.current(database().url)}.")


@db.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the schema back to REVISION, such as 0001, base or -1."""
    MIGRATIONS.downgrade(database().url, revision)
    print_line(f"The schema is at {MIGRATIONS.current(database().url) or 'base'}.")


@db.command("current")
def current() -> None:
    """Print the schema's revision."""
    revision = MIGRATIONS.current(database().url) or "base"
    print_line(f"{revision} (head)" if revision == MIGRATIONS.head() else revision)


@db.command("check")
def check() -> None:
    """Fail where the models and the schema differ."""
    MIGRATIONS.check(database().url)


@db.command("revision", cls=SetUpVerb)
@click.option("-m", "--message", type=Text(), required=True)
@click.option("--autogenerate", is_flag=True, help="Start from how the models differ.")
def revision(message: str, *, autogenerate: bool) -> None:
    """Write a new migration to fill in."""
    MIGRATIONS.revision(database().url, message, autogenerate=autogenerate)


@db.command("restored")
def restored() -> None:
    """Begin a new epoch of the change feed after a dump was restored into this database.

    Run it right after pg_restore, before anything writes, as the owner of the tables. Running it
    twice does no harm.
    """
    epoch = service(EventService).begin_epoch()
    print_line(f"The change feed continues in epoch {epoch}.")


@db.command("wait")
@click.option("--timeout", type=click.FloatRange(0, 3600), default=30.0, show_default=True)
def wait(timeout: float) -> None:
    """Wait until the database answers."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with database().connect(read_only=True):
                break
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise Refused(
                    f"The database did not answer within {timeout:g} s: {error}", 5
                ) from error
            time.sleep(0.2)
    print_line("The database answers.")


@db.command("roles", cls=SetUpVerb)
def roles() -> None:
    """Print SQL that creates roles with few rights; the command runs nothing."""
    print_text(ROLES_SQL.rstrip())


@db.command("shell")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def shell(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS, after --, go to psql."""
    url = make_url(database().url)
    # All users can read the arguments of a process, but not its environment.
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    address = url._replace(password=None).render_as_string()
    done = subprocess.run(  # noqa: S603 - psql, for the user of the command
        [_psql(), address, *arguments], env={**os.environ, **password}, check=False
    )
    ctx.exit(done.returncode)


def _psql() -> str:
    found = shutil.which("psql")
    try:
        found = str(find_bindir() / "psql")
    except EmbeddedServerError:
        if found is None:
            raise Refused(
                "psql is not found: install it, or set PG_BINDIR to its folder.", 1
            ) from None
    return found
