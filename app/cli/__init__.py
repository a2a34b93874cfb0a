"""The command line: one group per noun, the same services as HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.accounts import accounts
from app.cli.agents import agents
from app.cli.conversations import conversations
from app.cli.customers import customers
from app.cli.db import db
from app.cli.demo import demo
from app.cli.jobs import jobs
from app.cli.serve import serve
from app.cli.tasks import tasks
from app.cli.tokens import tokens
from app.cli.users import users
from app.cli.work import work

if TYPE_CHECKING:
    from flask import Flask

_COMMANDS = (
    accounts,
    agents,
    conversations,
    customers,
    db,
    demo,
    jobs,
    serve,
    tasks,
    tokens,
    users,
    work,
)


def register(app: Flask) -> None:
    for command in _COMMANDS:
        app.cli.add_command(command)
