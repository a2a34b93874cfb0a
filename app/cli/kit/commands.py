"""Commands that end in one line and the right exit code, never in a traceback."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo

from app import errors
from app.cli.kit.place import check_exists, place
from app.db import errors as db_errors
from app.db.admin import MigrationError
from app.domain.actors import Actor, ActorKind
from app.domain.customers import NotErasable
from app.domain.users import LastAdmin
from app.printable import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.db import Database
    from app.services.kit.base import Service
    from app.settings import Settings

    S = TypeVar("S", bound=Service)

# A subclass has the code of its nearest parent.
EXIT_CODES: dict[type[db_errors.ApplicationError], int] = {
    db_errors.ApplicationError: 1,
    db_errors.Invalid: 2,
    db_errors.InvalidCriterion: 2,
    errors.NotFound: 3,
    db_errors.Conflict: 4,
    db_errors.VersionMismatch: 4,
    LastAdmin: 1,
    NotErasable: 1,
    db_errors.Unavailable: 5,
}
"""The exit code of each class of errors."""


class Verb(click.Command):
    """A command of a group that needs a database: it fails where the data directory has none."""

    def invoke(self, ctx: click.Context) -> object:
        app = ctx.find_object(ScriptInfo).load_app()  # type: ignore[union-attr] # Flask sets it
        check_exists(app.extensions["settings"])
        return super().invoke(ctx)


class SetUpVerb(click.Command):
    """A command of a group that creates the embedded database, or needs no database."""


class _Explained(click.Command):
    """Ends in one line and an exit code where an expected error is raised."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with explained():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> object:
        with explained():
            return super().invoke(ctx)


class Group(_Explained, AppGroup):
    """The commands about one noun."""

    command_class = Verb


class Command(_Explained):
    """A command without a group."""

    def invoke(self, ctx: click.Context) -> object:
        # Flask pushes the application's context for its own group only.
        with ctx.obj.load_app().app_context():
            return super().invoke(ctx)


@contextmanager
def explained() -> Iterator[None]:
    """Turn expected errors into Refused, with the exit code of their class."""
    try:
        yield
    except errors.AlreadyExists as error:
        existing = error.existing_id()
        existing_id = "" if existing is None else f": {existing}"
        message = f"{str(error).removesuffix('.')} in {place(settings())}{existing_id}."
        raise Refused(message, exit_code_of(type(error))) from error
    except errors.NotFound as error:
        message = f"{str(error).removesuffix('.')} in {place(settings())}."
        raise Refused(message, exit_code_of(type(error))) from error
    except db_errors.ApplicationError as error:
        raise Refused(str(error), exit_code_of(type(error))) from error
    except MigrationError as error:
        raise Refused(str(error), 1) from error
    except click.exceptions.NoArgsIsHelpError:
        raise  # it prints the help
    except click.UsageError as error:  # its message quotes what was typed
        raise click.UsageError(_usage_message(error), error.ctx) from error


def _usage_message(error: click.UsageError) -> str:
    message = error.format_message().expandtabs()
    if isinstance(error, click.MissingParameter):  # it lists choices on lines of their own
        return printable_lines(message)
    return printable(message)


class Refused(click.ClickException):
    """Ends the command with this message, as one line on stderr, and this exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(printable(" ".join(message.split())))
        self.exit_code = exit_code  # type: ignore[misc] # click reads it off the instance


def exit_code_of(error: type[db_errors.ApplicationError]) -> int:
    """The exit code of an error of this class."""
    return next(EXIT_CODES[kind] for kind in error.__mro__ if kind in EXIT_CODES)


def database() -> Database:
    """The database of the application that runs the command."""
    return cast("Database", current_app.extensions["database"])


def settings() -> Settings:
    """The settings of the application that runs the command."""
    return cast("Settings", current_app.extensions["settings"])


def service(kind: type[S]) -> S:
    """A service that acts as the system; events name the OS user who runs the command."""
    actor = Actor(ActorKind.SYSTEM, None, f"cli:{_os_user()}")
    return kind(database=database(), actor=actor, rules=settings().rules)


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return str(os.getuid())
