"""The command line: one group per noun, the same services as HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.customers import customers
from app.cli.db import db
from app.cli.demo import demo
from app.cli.serve import serve
from app.cli.tokens import tokens
from app.cli.users import users

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask) -> None:
    for command in (customers, db, demo, serve, tokens, users):
        app.cli.add_command(command)
