"""The command line: one group per noun, the same services as HTTP.

A command's module is imported when it is called: `flask --help` loads no service and no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click
from flask.cli import ScriptInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Load = Callable[[Flask], None]

COMMANDS = {
    "accounts": "Customers' accounts and the firm's own.",
    "agents": "People and programs that work on tasks.",
    "conversations": "Conversations between customers and the desk.",
    "customers": "The customers of the firm.",
    "db": "The database and its schema.",
    "demo": "Load a small data set to try Caseload with; loading it again does no harm.",
    "jobs": "Regular jobs, which the service runs by itself.",
    "serve": "Migrate and serve, as `make run` does.",
    "tasks": "Work that agents claim.",
    "tokens": "Tokens with which clients authenticate.",
    "users": "Members of staff who can log in.",
    "work": "Claim tasks and run a program for each.",
}
"""The first sentence of each command's help, by its name. Its module has the same name."""


class LazyCommand(click.Command):
    """A command whose module is imported when it is called; `load` prepares the application."""

    def __init__(self, name: str, words: str, load: Load) -> None:
        super().__init__(name, help=words)
        self._load = load

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        info = None if parent is None else parent.find_object(ScriptInfo)
        if info is not None:
            self._load(info.load_app())
        return command(str(self.name)).make_context(info_name, args, parent, **extra)


def command(name: str) -> click.Command:
    """Import the module of the command, and return the command."""
    return cast("click.Command", getattr(import_module(f"app.cli.{name}"), name))


def register(app: Flask, load: Load) -> None:
    for name, words in COMMANDS.items():
        app.cli.add_command(LazyCommand(name, words, load))
