"""`flask tokens`: creates, lists and revokes tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.kit.commands import Group, service
from app.cli.kit.output import as_json, print_json, print_line, print_table
from app.cli.kit.types import ID, TIME, Email, Text
from app.db import Query
from app.services import TokenService

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

tokens = Group("tokens", help="Tokens with which clients authenticate.")


@tokens.command("create")
@click.option("--user", "email", type=Email(254), help="The user's e-mail address.")
@click.option("--agent", type=Text(), help="Or the agent's name.")
@click.option(
    "--name", type=Text(), default="cli", show_default=True, help="A name to recognise it by."
)
@click.option("--expires-at", type=TIME, help="RFC 3339; without it the token does not expire.")
def create(email: str | None, agent: str | None, name: str, expires_at: datetime | None) -> None:
    """Print a new token, once: only its hash is stored."""
    tokens = service(TokenService)
    if email is not None and agent is None:
        _, secret = tokens.issue_for(email, name, expires_at)
    elif agent is not None and email is None:
        _, secret = tokens.issue_for_agent(agent, name, expires_at)
    else:
        raise click.UsageError("Give either --user EMAIL or --agent NAME.")
    print_line(secret)


@tokens.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_tokens(limit: int, *, as_json: bool) -> None:
    """List the tokens that are not revoked, the newest first."""
    page, _ = service(TokenService).page(Query(limit=limit))
    if as_json:
        print_json(page.items)
    else:
        print_table(page.items, ["id", "user_id", "agent_id", "name", "expires_at", "last_used_at"])


@tokens.command("revoke")
@click.argument("token_id", type=ID)
def revoke(token_id: UUID) -> None:
    """Revoke the token with the id TOKEN_ID: it stops working within seconds."""
    service(TokenService).remove(token_id)
    print_line(f"Revoked {token_id}.")
