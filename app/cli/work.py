"""`flask work`: claims tasks and runs a program for each."""

from __future__ import annotations

import logging
import shlex
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from app.cli.agents import QUEUE_NAME
from app.cli.kit.commands import Command, Refused, service, settings
from app.cli.kit.place import check_exists
from app.cli.kit.types import Text
from app.cli.worker import Worker
from app.domain.actors import Actor, ActorKind, Role
from app.services import AgentService, TaskLeaseService, TaskQueueService

if TYPE_CHECKING:
    from app.models import Agent


_STOPS = (signal.SIGTERM, signal.SIGINT)
_OWN = "worker"  # the default agent; the command adds the queues of --queue to its own


class _Program(click.ParamType[list[str]]):
    name = "command"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        try:
            words = shlex.split(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if not words:
            self.fail("the command is empty.", param, ctx)
        if shutil.which(words[0]) is None:
            self.fail(f"no program {words[0]!r} is found in PATH.", param, ctx)
        return words


@click.command("work", cls=Command)
@click.option("--queue", "queues", type=QUEUE_NAME, multiple=True, required=True)
@click.option(
    "--exec", "program", type=_Program(), required=True, help="The program; no shell runs it."
)
@click.option("--agent", type=Text(), default=_OWN, show_default=True, help="Created if missing.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--lease", type=click.IntRange(1), help="Seconds; renewed while the program runs.")
@click.option("--poll", type=click.FloatRange(0.05, 60), default=1.0, show_default=True)
@click.option("--drain", is_flag=True, help="End when no task can be claimed.")
def work(
    *,
    queues: tuple[str, ...],
    program: list[str],
    agent: str,
    concurrency: int,
    lease: int | None,
    poll: float,
    drain: bool,
) -> None:
    """Claim tasks and run a program for each.

    The program reads the task as JSON from stdin. Its stdout becomes the output of the task; an
    exit code other than 0 fails the task. After SIGTERM or Ctrl-C running programs finish and no
    task is claimed; a second one ends the programs and gives their tasks back.
    """
    check_exists(settings())
    rules = settings().rules
    seconds = min(lease or rules.lease_seconds, rules.longest_lease_seconds)
    queue = _queue(service(AgentService).for_worker(agent, queues, own=agent == _OWN))
    worker = Worker(
        queue,
        queue.related(TaskLeaseService),
        list(queues),
        program,
        lease_seconds=seconds,
        poll=poll,
        drain=drain,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(message)s")
    for number in _STOPS:
        signal.signal(number, lambda *_: worker.stop())
    worker.run(concurrency)
    for number in _STOPS:  # one more must not end the process by a signal while Python shuts down
        signal.signal(number, signal.SIG_IGN)
    if worker.refusal is not None:
        raise Refused(worker.refusal, 1)


def _queue(agent: Agent) -> TaskQueueService:
    """A service that acts as the agent, as requests with its token do."""
    actor = Actor(ActorKind.AGENT, agent.id, agent.name, Role.AGENT)
    return replace(service(TaskQueueService), actor=actor)
