from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.domain.actors import ActorKind
from app.domain.agents import why_unfit
from app.domain.conversations import ConversationMerged
from app.domain.tasks import OPEN, ParentFinished
from app.errors import Forbidden
from app.repositories import AgentRepository, ConversationRepository, TaskRepository
from app.services.kit.bulk import BulkAdds, check_known, path_of
from app.services.kit.fields import fields_of, reference_in
from app.services.kit.permissions import WRITERS, Roles, allowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record
    from app.domain.tasks import NewTask
    from app.services.kit.bulk import Items

    Given = dict[int, UUID]  # by the item's position


@dataclass(frozen=True, kw_only=True)
class TaskBatchService(BulkAdds["NewTask"]):
    """Many new tasks at once, by the rules of `TaskService`.

    A `dedupe_key` that is live is refused, so that the caller learns which tasks are not new.
    """

    writers: ClassVar[Roles] = WRITERS
    repository: TaskRepository = TaskRepository()
    agents: AgentRepository = AgentRepository()
    conversations: ConversationRepository = ConversationRepository()

    @allowed("writers")
    @retry
    def create_many(self, items: Sequence[NewTask]) -> list[Record]:
        if self.actor.kind is ActorKind.AGENT:
            raise Forbidden("An agent cannot create tasks in bulk.")
        most = self.rules.max_attempts
        return self._add_many([fields_of(new.with_defaults(max_attempts=most)) for new in items])

    def check_all_live(self, connection: Connection, items: Items) -> None:
        """Locks rows in the order of `TaskReferences`: agents, conversations, tree, parents."""
        agents, parents = _given(items, "agent_id"), _given(items, "parent_id")
        at_work = self.agents.at_work_among(connection, set(agents.values())) if agents else {}
        missing = self.repository.missing_among(connection, items, only=("conversation_id",))
        if parents:
            self.repository.lock_tree(connection, shared=True)
        above = self.repository.lock_among(connection, set(parents.values())) if parents else {}
        missing += [(at, "agent_id") for at, key in agents.items() if key not in at_work]
        missing += [(at, "parent_id") for at, key in parents.items() if key not in above]
        check_known(sorted(missing))
        _check_addressees(items, agents, at_work)
        self._check_not_merged(connection, _given(items, "conversation_id"))
        self._check_parents(connection, parents, above)

    def _check_not_merged(self, connection: Connection, given: Given) -> None:
        keys = set(given.values())
        merged = self.conversations.merged_among(connection, keys) if given else {}
        if places := [(at, "conversation_id") for at, key in given.items() if key in merged]:
            raise ConversationMerged(merged[given[places[0][0]]]).at(*map(path_of, places))

    def _check_parents(
        self, connection: Connection, given: Given, found: Mapping[UUID, Record]
    ) -> None:
        if not given:
            return
        levels = self.repository.levels_above_among(connection, set(given.values()))
        self._check_levels(levels, given)
        ended = [(at, "parent_id") for at, key in given.items() if not _takes_subtasks(found[key])]
        if ended:
            raise ParentFinished().at(*map(path_of, ended))

    def _check_levels(self, levels: Mapping[UUID, int], given: Given) -> None:
        most = self.rules.max_task_depth
        deep = [at for at, key in given.items() if levels[key] + 1 > most]
        _refuse(deep, "parent_id", "range", f"Tasks are at most {most} levels deep.")


def _given(items: Items, field: str) -> Given:
    found = ((at, reference_in(item, field)) for at, item in enumerate(items))
    return {at: key for at, key in found if key is not None}


def _check_addressees(items: Items, given: Given, at_work: Mapping[UUID, Record]) -> None:
    mistakes = [
        why_unfit(at_work[key], path_of((at, "agent_id")), str(items[at]["queue"]))
        for at, key in given.items()
    ]
    if found := [mistake for mistake in mistakes if mistake is not None]:
        raise Invalid(found)


def _refuse(positions: Sequence[int], field: str, code: str, detail: str) -> None:
    if positions:
        raise Invalid([Mistake(path_of((at, field)), code, detail) for at in positions])


def _takes_subtasks(parent: Record) -> bool:
    return parent["status"] in OPEN and not parent["cancel_requested"]
