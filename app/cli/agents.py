"""`flask agents`: creates, lists, shows and deactivates agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.kit.commands import Group, SetUpVerb, service
from app.cli.kit.output import (
    as_json,
    as_record,
    print_fields,
    print_json,
    print_line,
    print_table,
    print_text,
)
from app.cli.kit.types import Email, Matching, Text
from app.db import Query
from app.domain.agents import QUEUE, AgentKind
from app.errors import NotFound
from app.services import AgentService, UserService

if TYPE_CHECKING:
    from app.models import Agent, User

QUEUE_NAME = Matching("queue", QUEUE, "the name of a queue, such as mail or back-office")

agents = Group("agents", help="People and programs that work on tasks.")


@agents.command("create", cls=SetUpVerb)
@click.argument("name", type=Text())
@click.option("--kind", type=click.Choice([kind.value for kind in AgentKind]), default="ai")
@click.option("--queue", "queues", type=QUEUE_NAME, multiple=True, help="May be given repeatedly.")
@click.option("--user", "email", type=Email(254), help="The user whose token claims as this agent.")
@as_json
def create(
    name: str, kind: str, queues: tuple[str, ...], email: str | None, *, as_json: bool
) -> None:
    """Create the agent NAME."""
    user_id = None if email is None else _user(email).id
    values = {"name": name, "kind": kind, "queues": list(dict.fromkeys(queues))}
    agent = service(AgentService).create({**values, "user_id": user_id})
    if as_json:
        print_json(as_record(agent))
    else:
        print_line(f"Created the agent {agent.name} with the id {agent.id}.")


@agents.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_agents(limit: int, *, as_json: bool) -> None:
    """List agents, the newest first."""
    page, _ = service(AgentService).page(Query(limit=limit))
    if as_json:
        print_json(page.items)
    else:
        print_table(page.items, ["id", "name", "kind", "queues", "is_active", "last_seen_at"])


@agents.command("show")
@click.argument("name", type=Text())
@as_json
def show(name: str, *, as_json: bool) -> None:
    """Show the agent NAME and the pending tasks that only it may claim."""
    agent = find_agent(name)
    waiting = [as_record(task) for task in service(AgentService).pending_tasks(agent.id)]
    if as_json:
        print_json({**as_record(agent), "pending_tasks": waiting})
        return
    print_fields(as_record(agent))
    if waiting:
        print_text("\nPending tasks")
        print_table(waiting, ["id", "queue", "kind", "priority", "run_after"])


@agents.command("deactivate")
@click.argument("name", type=Text())
@click.option(
    "--reassign-to", "heir", type=Text(), help="The agent that gets its tasks and conversations."
)
def deactivate(name: str, heir: str | None) -> None:
    """Deactivate the agent NAME and take its tasks and conversations from it."""
    key, to = find_agent(name).id, None if heir is None else find_agent(heir).id
    service(AgentService).deactivate(key, reassign_to=to)
    print_line(f"Deactivated {name}.")


def find_agent(name: str) -> Agent:
    """The live agent of this name; raises NotFound."""
    found: Agent | None = service(AgentService).find(name=name)
    if found is None:
        raise NotFound("agents", name)
    return found


def _user(email: str) -> User:
    found: User | None = service(UserService).find(email=email)
    if found is None:
        raise NotFound("users", email)
    return found
