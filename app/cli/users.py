"""`flask users`: creates and lists users."""

from __future__ import annotations

import click

from app.cli.kit.commands import Group, SetUpVerb, service
from app.cli.kit.output import as_json, as_record, print_json, print_line, print_table
from app.cli.kit.types import Email, Text
from app.db import Query
from app.domain.actors import USER_ROLES, Role
from app.services import UserService

users = Group("users", help="Members of staff who can log in.")


@users.command("create", cls=SetUpVerb)
@click.argument("email", type=Email(254))
@click.option("--name", type=Text(), required=True)
@click.option("--role", type=click.Choice([role.value for role in USER_ROLES]), required=True)
@as_json
def create(email: str, name: str, role: str, *, as_json: bool) -> None:
    """Create a user who logs in as EMAIL."""
    user = service(UserService).create({"email": email, "name": name, "role": Role(role)})
    if as_json:
        print_json(as_record(user))
    else:
        print_line(f"Created {user.role} {user.email} with the id {user.id}.")


@users.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_users(limit: int, *, as_json: bool) -> None:
    """List users, the newest first."""
    page, _ = service(UserService).page(Query(limit=limit))
    if as_json:
        print_json(page.items)
    else:
        print_table(page.items, ["id", "email", "name", "role", "is_active"])
