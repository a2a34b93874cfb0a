"""Rules of the desk: tasks as a resource."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from tests.client import Client
from tests.desk_machine.model import MOST_LEVELS, MOST_OPEN, OPEN, Work, some_are, there_is
from tests.desk_machine.state import DeskState


class TaskRules(DeskState):
    def children(self, task: Work) -> list[Work]:
        return [t for t in self.work.values() if t.parent == task.id and not t.deleted]

    def above(self, key: str | None) -> list[str]:
        found = []
        while key is not None:
            found.append(key)
            key = self.work[key].parent
        return found

    def below(self, task: Work) -> int:
        return 1 + max((self.below(child) for child in self.children(task)), default=0)

    def against_parent(self, parent: str | None, levels: int = 1) -> set[str]:
        if parent is None:
            return set()
        found = set()
        if self.work[parent].deleted:
            found.add("validation-error")
        if self.work[parent].status not in OPEN or self.work[parent].cancel:
            found.add("parent-finished")
        if len(self.above(parent)) + levels > MOST_LEVELS:
            found.add("validation-error")
        return found

    def against_agent(self, alone: str | None, queue: str) -> set[str]:
        works = alone is None or queue in self.queues[alone]
        return set() if works else {"validation-error"}

    def twin(self, dedupe: str | None, scope: str | None) -> str | None:
        wanted = (dedupe, scope)
        same = [t.id for t in self.work.values() if t.open and (t.dedupe, t.scope) == wanted]
        return same[0] if dedupe is not None and same else None

    def against_key(self, task: Work, what: str, value: str | None) -> set[str]:
        """A new key may be taken; so may that of an agent's sub-task below its new parent."""
        twin = None
        if what == "dedupe":
            twin = self.twin(value, task.scope)
        if what == "parent" and task.scope is not None:
            twin = self.twin(task.dedupe, value)
        return set() if twin in (None, task.id) else {"already-exists"}

    @precondition(lambda desk: sum(task.open for task in desk.work.values()) < MOST_OPEN)
    @rule(
        data=st.data(),
        values=st.fixed_dictionaries(
            {
                "queue": st.sampled_from("ab"),
                "priority": st.integers(0, 9) | st.just(5),
                "dedupe": st.none() | st.sampled_from(["x", "y"]),
                "most": st.integers(1, 3),
            }
        ),
        how=st.sampled_from(["plain", "alone", "below", "below", "below", "about"]),
        by=st.sampled_from(["staff", "staff", "agent"]),
    )
    def create(self, data: st.DataObject, values: dict[str, Any], how: str, by: str) -> None:
        work = Work("", since=datetime.now(UTC), **values)
        if how == "alone":
            work.alone = self.pick(data, self.agents, "agent")
        if how == "about" and self.talks:
            work.conversation = self.pick(data, self.talks, "conversation")
        if how == "below" and self.work:
            work.parent = self.task(data, *OPEN).id
        refusals = self.against_parent(work.parent) | self.against_agent(work.alone, work.queue)
        if work.conversation is not None and self.talks[work.conversation].merged:
            refusals.add("conversation-merged")
        client = self.staff
        if by == "agent" and how == "below":
            above = self.work.get(work.parent or "")
            agent = (
                self.agents[0] if above is None or above.holder != self.agents[1] else above.holder
            )
            client = self.claimers[agent]
            runs = above is not None and above.status == "running" and above.holder == agent
            if above is None or not runs:
                refusals = {"forbidden"}  # nothing else is told
            else:
                refusals |= {"validation-error"} if work.priority < above.priority else set()
                work.scope = work.parent
        self._create(client, work, refusals)

    def _create(self, client: Client, work: Work, refusals: set[str]) -> None:
        body = {
            "kind": "k",
            "queue": work.queue,
            "priority": work.priority,
            "max_attempts": work.most,
            "dedupe_key": work.dedupe,
            "agent_id": work.alone,
            "parent_id": work.parent,
            "conversation_id": work.conversation,
        }
        answer = client.post("/v1/tasks", body)
        twin = self.twin(work.dedupe, work.scope)
        if twin is not None and (not refusals or answer.status_code == 200):
            assert "forbidden" not in refusals
            assert (answer.status_code, answer.json["id"]) == (200, twin), answer.text
        elif not self.refused(answer, refusals, 201):
            work.id = answer.json["id"]
            work.since = datetime.fromisoformat(answer.json["run_after"])
            self.work[work.id] = work

    @there_is("pending")
    @rule(data=st.data(), what=st.sampled_from(["priority", "parent", "agent", "queue", "dedupe"]))
    def update(self, data: st.DataObject, what: str) -> None:
        task = self.task(data, "pending")
        choices: dict[str, tuple[str, list[Any]]] = {
            "priority": ("priority", list(range(10))),
            "parent": ("parent", [None, *self.work]),
            "agent": ("alone", [None, *self.agents]),
            "queue": ("queue", ["a", "b"]),
            "dedupe": ("dedupe", [None, "x", "y"]),
        }
        name, values = choices[what]
        value = self.pick(data, values, "value")
        refusals = set()
        if task.deleted:
            refusals.add("not-found")
        elif value != getattr(task, name):
            if task.status != "pending":
                refusals.add("invalid-transition")
            if what == "parent" and value is not None:
                refusals |= self.against_parent(value, self.below(task))
                if task.id in self.above(value):
                    refusals = refusals - {"validation-error"} | {"task-cycle"}
                    refusals |= {"validation-error"} if self.work[value].deleted else set()
            if what == "agent":
                refusals |= self.against_agent(value, task.queue)
            if what == "queue":
                refusals |= self.against_agent(task.alone, value)
            refusals |= self.against_key(task, what, value)
        field_ = {"alone": "agent_id", "parent": "parent_id", "dedupe": "dedupe_key"}
        answer = self.staff.patch(f"/v1/tasks/{task.id}", {field_.get(name, name): value})
        if not self.refused(answer, refusals) and value != getattr(task, name):
            setattr(task, name, value)
            task.scope = None if task.scope is None else task.parent
            self.touched.add(task.id)

    @there_is("pending", "completed", "failed", "cancelled")
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        task = self.task(data, "pending", "completed", "failed", "cancelled")
        refusals = {"not-found"} if task.deleted else set()
        if not task.deleted and task.status == "running":
            refusals.add("invalid-transition")
        if not task.deleted and self.children(task):
            refusals.add("in-use")
        if not self.refused(self.staff.delete(f"/v1/tasks/{task.id}"), refusals, 204):
            task.deleted = True
            self.touched.add(task.id)

    @some_are(lambda one: isinstance(one, Work) and one.deleted)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        deleted = [task for task in self.work.values() if task.deleted]
        anyway = data.draw(st.integers(0, 9), "any task") == 9
        task = self.pick(data, self.work.values() if anyway else deleted, "task")
        refusals = set()
        if not task.deleted:
            refusals.add("not-deleted")
        else:
            if task.parent is not None and self.work[task.parent].deleted:
                refusals.add("parent-deleted")
            if task.parent is not None and len(self.above(task.parent)) + 1 > MOST_LEVELS:
                refusals.add("task-too-deep")
            if task.conversation is not None and self.talks[task.conversation].merged:
                refusals.add("conversation-merged")
            if task.status == "pending":
                refusals |= self.against_parent(task.parent) & {"parent-finished"}
                refusals |= {"already-exists"} if self.twin(task.dedupe, task.scope) else set()
        if not self.refused(self.staff.post(f"/v1/tasks/{task.id}/restore"), refusals):
            task.deleted = False
            self.touched.add(task.id)
