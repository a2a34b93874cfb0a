"""Random work at the desk, over HTTP, against a model that was written from the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.db import Database
from app.services import ConversationLifecycle, TaskQueueService
from tests.client import Answer, Client, problem

_STATUS = {"not-found": 404, "forbidden": 403, "validation-error": 422}  # all others are 409
_OPEN = ("pending", "running")
_MOST_LEVELS = 5
_MOST_OPEN = 6  # so that much happens to each
_NOT_CLOSED = {"open", "pending", "snoozed", "resolved"}
_UNRESOLVED = _NOT_CLOSED - {"resolved"}


@dataclass
class Work:
    """A task. `attempts` are [agent, outcome]; `since` orders those that wait.

    `scope` is the parent of an agent's sub-task: `dedupe` is unique within it.
    """

    id: str
    queue: str
    priority: int
    since: datetime
    alone: str | None = None
    parent: str | None = None
    conversation: str | None = None
    dedupe: str | None = None
    scope: str | None = None
    most: int = 3
    status: str = "pending"
    forgiven: int = 0
    cancel: bool = False
    holder: str | None = None
    token: str | None = None
    leased: bool = False
    expired: bool = False
    delayed: bool = False
    output: Any = None
    deleted: bool = False
    attempts: list[list[str | None]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status in _OPEN and not self.deleted

    @property
    def pauses(self) -> bool:
        return self.delayed and self.status == "pending" and not self.deleted

    @property
    def spent(self) -> bool:
        return len(self.attempts) - self.forgiven >= self.most

    def end_attempt(self, outcome: str, status: str) -> None:
        self.attempts[-1][1] = outcome
        self.token, self.leased, self.expired, self.status = None, False, False, status
        self.holder = None if status == "pending" else self.holder

    def lose(self) -> None:
        status = "cancelled" if self.cancel else "failed" if self.spent else "pending"
        self.end_attempt("lost", status)

    def shown(self) -> dict[str, Any]:
        return {
            "queue": self.queue,
            "priority": self.priority,
            "agent_id": self.alone,
            "parent_id": self.parent,
            "conversation_id": self.conversation,
            "dedupe_key": self.dedupe,
            "status": self.status,
            "attempt": len(self.attempts),
            "cancel_requested": self.cancel,
            "claimed_by_id": self.holder,
            "output": self.output,
            "lease_expires_at": self.leased,
            "completed_at": self.status not in _OPEN,
            "deleted_at": self.deleted,
        }


@dataclass
class Talk:
    """A conversation. `messages` are (id, direction, external_id, where it was posted)."""

    id: str
    customer: str
    channel: str
    status: str = "open"
    assignee: str | None = None
    merged: str | None = None
    answered: bool = False
    long_resolved: bool = False
    resolved_at: int = 0  # how many messages had been written anywhere
    unrecorded: int = 0  # versions that came of SQL
    messages: list[tuple[str, str, str | None, str]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "assignee_id": self.assignee,
            "merged_into_id": self.merged,
            "snoozed_until": self.status == "snoozed",
            "first_responded_at": self.answered,
        }

    def numbered(self) -> list[tuple[Any, ...]]:
        return [
            (key, seq, direction, external_id, None if origin == self.id else origin)
            for seq, (key, direction, external_id, origin) in enumerate(self.messages, 1)
        ]


def there_is(*statuses: str) -> Callable[[Any], Any]:
    """A live task in one of these statuses."""
    return precondition(
        lambda desk: any(t.status in statuses and not t.deleted for t in desk.work.values())
    )


def some_are(which: Callable[[Any], bool]) -> Callable[[Any], Any]:
    return precondition(lambda desk: any(map(which, [*desk.work.values(), *desk.talks.values()])))


somebody_talks = precondition(lambda desk: any(desk.talks))


class Desk(RuleBasedStateMachine):
    """Each rule does one thing to both, says what may be refused, and which rows it changed."""

    empty: Callable[[], None]
    sql: Callable[..., list[tuple[Any, ...]]]
    database: Database
    sign_in: Callable[..., Client]
    hire: Callable[..., Client]
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).empty()
        kind = type(self)
        self.admin, self.staff = kind.sign_in("admin"), kind.sign_in("staff")
        self.claimers: dict[str, Client] = {}  # by the agent's id
        self.queues: dict[str, list[str]] = {}
        for name, queues in (("bot", ["a", "b"]), ("helper", ["b"])):
            client = kind.hire(name, queues)
            self.claimers[client.user_id], self.queues[client.user_id] = client, queues
        values = {"kind": "human", "name": "pat", "queues": ["a", "b"]}
        pat = self.admin.create("/v1/agents", {**values, "user_id": self.staff.user_id})
        self.person = pat["id"]
        self.claimers[pat["id"]], self.queues[pat["id"]] = self.staff, ["a", "b"]
        self.agents = list(self.claimers)
        self.customers = [
            self.admin.create("/v1/customers", {"reference": name, "name": name})["id"]
            for name in ("ann", "bob")
        ]
        self.work: dict[str, Work] = {}
        self.talks: dict[str, Talk] = {}
        self.delivered: dict[tuple[str, str], str] = {}
        self.written, self.order = 0, dict[str, int]()  # of messages, in order of time
        self.before: dict[str, Any] = {}
        self.touched: set[str] = set()

    # What there is to choose from

    def pick(self, data: st.DataObject, found: Iterable[Any], label: str) -> Any:
        return data.draw(st.sampled_from(list(found)), label)

    def task(self, data: st.DataObject, *statuses: str) -> Work:
        """One in these statuses if there is any, and sometimes any other."""
        fits = [t for t in self.work.values() if t.status in statuses and not t.deleted]
        anyway = not fits or data.draw(st.integers(0, 9), "any task") == 9
        task: Work = self.pick(data, self.work.values() if anyway else fits, "task")
        return task

    def talk(self, data: st.DataObject) -> Talk:
        lively = [talk for talk in self.talks.values() if talk.status != "closed"]
        anyway = not lively or data.draw(st.integers(0, 9), "any conversation") == 9
        talk: Talk = self.pick(data, self.talks.values() if anyway else lively, "conversation")
        return talk

    def refused(self, answer: Answer, refusals: Iterable[str], status: int = 200) -> bool:
        """Where there is more than one reason to refuse, any may be told."""
        expected = set(refusals)
        if not expected:
            assert answer.status_code == status, answer.text
            return False
        code, name = problem(answer)
        assert name in expected, (answer.text, expected)
        assert code == _STATUS.get(name, 409)
        return True

    @initialize()
    def begin(self) -> None:
        """With something to work on."""
        self.open(0, "email", None)
        self.open(0, "email", ("e1",))
        self.agree()  # what is touched is looked at step by step
        for priority, conversation in ((5, None), (2, next(iter(self.talks)))):
            work = Work("", "b", priority, datetime.now(UTC), conversation=conversation)
            self._create(self.staff, work, set())

    # Tasks, as a resource

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
        if self.work[parent].status not in _OPEN or self.work[parent].cancel:
            found.add("parent-finished")
        if len(self.above(parent)) + levels > _MOST_LEVELS:
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

    @precondition(lambda desk: sum(task.open for task in desk.work.values()) < _MOST_OPEN)
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
            work.parent = self.task(data, *_OPEN).id
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
            if task.parent is not None and len(self.above(task.parent)) + 1 > _MOST_LEVELS:
                refusals.add("task-too-deep")
            if task.conversation is not None and self.talks[task.conversation].merged:
                refusals.add("conversation-merged")
            if task.status == "pending":
                refusals |= self.against_parent(task.parent) & {"parent-finished"}
                refusals |= {"already-exists"} if self.twin(task.dedupe, task.scope) else set()
        if not self.refused(self.staff.post(f"/v1/tasks/{task.id}/restore"), refusals):
            task.deleted = False
            self.touched.add(task.id)

    # Tasks, worked off

    @there_is("pending")
    @rule(data=st.data(), limit=st.integers(1, 5), only=st.none() | st.sampled_from("ab"))
    def claim(self, data: st.DataObject, limit: int, only: str | None) -> None:
        agent = self.pick(data, self.agents, "agent")
        body: dict[str, Any] = {"limit": limit}
        if only is not None:
            body["queues"] = [only]
        answer = self.claimers[agent].post("/v1/tasks/claim", body)
        foreign = only is not None and only not in self.queues[agent]
        if self.refused(answer, {"forbidden"} if foreign else set()):
            return
        wanted = self.queues[agent] if only is None else [only]
        due = [
            task
            for task in self.work.values()
            if task.open
            and task.queue in wanted
            and task.alone in (None, agent)
            and (task.expired if task.status == "running" else not task.delayed)
        ]
        claimed: list[Work] = []
        some_ended = False
        for place, task in enumerate(sorted(due, key=lambda t: (t.priority, t.since, t.id))):
            ends = task.status == "running" and (task.cancel or task.spent)
            # A claim that meets a spent task within its limit ends all that wait, but it does not
            # look for one.
            if len(claimed) == limit and not (ends and some_ended):
                continue
            some_ended = some_ended or (ends and place < limit)
            self.touched.add(task.id)
            if task.status == "running":
                task.lose()
            if task.status == "pending":
                claimed.append(task)
                task.status, task.holder = "running", agent
                task.leased = agent != self.person
                task.attempts.append([agent, None])
        items = answer.json["items"]
        assert {item["id"] for item in items} == {task.id for task in claimed}, answer.text
        assert [i["priority"] for i in items] == sorted(i["priority"] for i in items)
        for item in items:
            task = self.work[item["id"]]
            assert item["lease_token"] not in task.tokens
            task.token = item["lease_token"]
            task.tokens.append(item["lease_token"])

    def held(self, data: st.DataObject, verb: str, **body: Any) -> tuple[Work, Answer, set[str]]:
        """Sent with the task's token, or with another one."""
        task = self.task(data, "running")
        token = task.token
        if token is None or data.draw(st.integers(0, 4), "a stale token") == 4:
            token = self.pick(data, [str(uuid4()), *task.tokens], "token")
        answer = self.staff.post(f"/v1/tasks/{task.id}/{verb}", {"lease_token": token, **body})
        if task.deleted:
            return task, answer, {"not-found"}
        return task, answer, set() if token == task.token else {"lease-lost"}

    @there_is("running")
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        task, answer, refusals = self.held(data, "heartbeat")
        if not self.refused(answer, refusals):
            told = answer.json
            assert told["cancel_requested"] == task.cancel
            assert (told["lease_expires_at"] is not None) == task.leased
            task.expired = False
            self.touched.add(task.id)

    @there_is("running")
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        output = {"step": self.steps}
        task, answer, refusals = self.held(data, "complete", output=output)
        if not refusals and any(child.open for child in self.children(task)):
            refusals = {"open-subtasks"}
        if not self.refused(answer, refusals):
            self._completed(task, output)

    def _completed(self, task: Work, output: Any) -> None:
        task.end_attempt("completed", "completed")
        task.output = output
        self.touched.add(task.id)

    @there_is("running")
    @rule(data=st.data(), retry=st.booleans() | st.none())
    def fail(self, data: st.DataObject, retry: bool | None = None) -> None:
        more = {} if retry is None else {"retry": retry}
        task, answer, refusals = self.held(data, "fail", error="oh", **more)
        if self.refused(answer, refusals):
            return
        self.touched.add(task.id)
        assert answer.json["error"] == "oh"
        if task.cancel:
            task.end_attempt("cancelled", "cancelled")
        elif retry is False or task.spent:
            task.end_attempt("failed", "failed")
        else:
            longest = timedelta(seconds=5 * 2 ** (len(task.attempts) - task.forgiven - 1))
            run_after = datetime.fromisoformat(answer.json["run_after"])
            assert run_after <= datetime.now(UTC) + longest
            task.end_attempt("failed", "pending")
            later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            told = self.staff.patch(f"/v1/tasks/{task.id}", {"run_after": later})
            self.refused(told, set())
            task.since, task.delayed = datetime.fromisoformat(told.json["run_after"]), True

    @some_are(lambda one: isinstance(one, Work) and one.pauses)
    @rule(data=st.data())
    def let_the_pause_end(self, data: st.DataObject) -> None:
        task = self.pick(data, [task for task in self.work.values() if task.pauses], "task")
        now = datetime.now(UTC).isoformat()
        answer = self.staff.patch(f"/v1/tasks/{task.id}", {"run_after": now})
        self.refused(answer, set())
        task.since, task.delayed = datetime.fromisoformat(answer.json["run_after"]), False
        self.touched.add(task.id)

    @there_is("running")
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        task, answer, refusals = self.held(data, "release")
        if not self.refused(answer, refusals):
            cancelled = ("cancelled", "cancelled")
            task.end_attempt(*(cancelled if task.cancel else ("released", "pending")))
            task.forgiven += 1
            task.since = datetime.fromisoformat(answer.json["run_after"])
            self.touched.add(task.id)

    @there_is(*_OPEN)
    @rule(data=st.data())
    def work_off(self, data: st.DataObject) -> None:
        """What is done most of the time, so that much is running and ends in every way."""
        for _ in range(4):
            self._work_off(data)
            self.agree()

    def _work_off(self, data: st.DataObject) -> None:
        if not any(task.status == "running" for task in self.work.values()):
            self.claim(data, 3, None)
            return
        choices: list[Callable[[], None]] = [
            lambda: self.claim(data, 1, None),
            lambda: self.complete(data),
            lambda: self.fail(data),
            lambda: self.fail(data, retry=False),
            lambda: self.release(data),
            lambda: self.heartbeat(data),
        ]
        if any(task.leased and not task.expired for task in self.work.values()):
            choices.append(lambda: self.let_the_lease_run_out(data, "0"))
        choices[data.draw(st.integers(0, len(choices) - 1), "choice")]()

    @there_is(*_OPEN)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.task(data, *_OPEN)
        refusals = {"not-found"} if task.deleted else set()
        if not refusals and not task.open:
            refusals = {"invalid-transition"}
        if not self.refused(self.staff.post(f"/v1/tasks/{task.id}/cancel"), refusals):
            self._cancel(task)

    def _cancel(self, task: Work) -> None:
        self.touched.add(task.id)
        if task.status == "running":
            task.cancel = True
        else:
            task.status = "cancelled"
        for child in self.children(task):
            if child.open:
                self._cancel(child)

    @there_is("failed", "cancelled")
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        task = self.task(data, "failed", "cancelled")
        refusals = {"not-found"} if task.deleted else set()
        if not refusals and task.status not in ("failed", "cancelled"):
            refusals = {"invalid-transition"}
        if not refusals:
            refusals = self.against_parent(task.parent) & {"parent-finished"}
            refusals |= {"already-exists"} if self.twin(task.dedupe, task.scope) else set()
        answer = self.staff.post(f"/v1/tasks/{task.id}/requeue")
        if not self.refused(answer, refusals):
            task.status, task.forgiven, task.cancel = "pending", len(task.attempts), False
            task.holder = None
            task.since, task.delayed = datetime.fromisoformat(answer.json["run_after"]), False
            self.touched.add(task.id)

    @some_are(lambda one: isinstance(one, Work) and one.leased and not one.expired)
    @rule(data=st.data(), ago=st.sampled_from(["0", "1 hour"]))
    def let_the_lease_run_out(self, data: st.DataObject, ago: str) -> None:
        leased = [task for task in self.work.values() if task.leased and not task.expired]
        task = self.pick(data, leased, "task")
        rows = type(self).sql(
            "UPDATE tasks SET lease_expires_at = statement_timestamp() - %s::interval"
            " WHERE id = %s RETURNING lease_expires_at",
            ago,
            task.id,
        )
        task.since, task.expired = rows[0][0], True
        self.touched.add(task.id)

    @some_are(lambda one: isinstance(one, Work) and one.expired)
    @rule()
    def rescue(self) -> None:
        expired = [task for task in self.work.values() if task.expired]
        assert TaskQueueService.as_system(type(self).database).rescue() == len(expired)
        for task in expired:
            task.lose()
            told = self.staff.get(f"/v1/tasks/{task.id}").json
            task.since = datetime.fromisoformat(told["run_after"])
            self.touched.add(task.id)

    # Conversations

    def locate(self, message: str) -> Talk:
        return next(t for t in self.talks.values() if message in [m[0] for m in t.messages])

    @precondition(lambda desk: sum(t.status != "closed" for t in desk.talks.values()) < _MOST_OPEN)
    @rule(
        customer=st.sampled_from([0, 0, 0, 1]),
        channel=st.sampled_from(["email", "email", "chat"]),
        message=st.none() | st.sampled_from([None, "e1", "e2", "e3"]).map(lambda key: (key,)),
    )
    def open(self, customer: int, channel: str, message: tuple[str | None] | None) -> None:
        owner = self.customers[customer]
        body: dict[str, Any] = {"customer_id": owner, "subject": "s", "channel": channel}
        if message is not None:
            body["message"] = {"body": "b", "external_id": message[0]}
        answer = self.staff.post("/v1/conversations", body)
        external_id = None if message is None else message[0]
        known = self.delivered.get((channel, external_id or ""))
        if known is not None:
            refusals = self.against_repeating(known, owner, "inbound")
            if not self.refused(answer, refusals):
                assert answer.json["id"] == self.locate(known).id
            return
        self.refused(answer, set(), 201)
        talk = self.talks[answer.json["id"]] = Talk(answer.json["id"], owner, channel)
        if message is not None:
            told = self.staff.get(f"/v1/conversations/{talk.id}/messages").json["items"]
            self._said(talk, told[0]["id"], "inbound", external_id)

    def _said(self, talk: Talk, key: str, direction: str, external_id: str | None) -> None:
        talk.messages.append((key, direction, external_id, talk.id))
        self.written += 1
        self.order[key] = self.written
        if external_id is not None:
            self.delivered[talk.channel, external_id] = key
        self.touched.add(talk.id)
        if direction == "outbound":
            talk.answered = True

    def against_repeating(self, known: str, customer: str, direction: str) -> set[str]:
        """All bodies are the same here."""
        talk = self.locate(known)
        [was] = [message[1] for message in talk.messages if message[0] == known]
        same = (talk.customer, was) == (customer, direction)
        return set() if same else {"external-id-reused"}

    def is_unanswered(self, talk: Talk) -> bool:
        """Whether the customer wrote after the desk's last message or, if any, its resolution."""
        since = talk.resolved_at if talk.status == "resolved" and not talk.long_resolved else 0
        for key, direction, *_ in reversed(talk.messages):
            if direction == "outbound":
                return False
            if direction == "inbound" and self.order[key] > since:
                return True
        return False

    def against(self, talk: Talk, allowed: set[str]) -> set[str]:
        return set() if talk.status in allowed else {"invalid-transition"}

    @somebody_talks
    @rule(
        data=st.data(),
        direction=st.sampled_from(["inbound", "inbound", "outbound", "note"]),
        external_id=st.sampled_from([None, None, "e1", "e2", "e3", "e4"]),
    )
    def post(self, data: st.DataObject, direction: str, external_id: str | None) -> None:
        talk = self.talk(data)
        body = {"direction": direction, "body": "b", "external_id": external_id}
        answer = self.staff.post(f"/v1/conversations/{talk.id}/messages", body)
        known = self.delivered.get((talk.channel, external_id or ""))
        if known is not None:
            if not self.refused(answer, self.against_repeating(known, talk.customer, direction)):
                where = (answer.json["id"], answer.json["conversation_id"])
                assert where == (known, self.locate(known).id)
        elif talk.merged is not None:
            self.refused(answer, {"conversation-merged"})
            assert answer.json["merged_into_id"] == talk.merged
        elif not self.refused(answer, self.against(talk, _NOT_CLOSED), 201):
            self._said(talk, answer.json["id"], direction, external_id)
            if direction == "inbound" and not (talk.status == "resolved" and talk.long_resolved):
                talk.status = "open"
            if direction == "outbound" and talk.status in _UNRESOLVED:
                talk.status = "pending"

    @somebody_talks
    @rule(data=st.data())
    def assign(self, data: st.DataObject) -> None:
        talk = self.talk(data)
        agent = self.pick(data, [None, *self.agents], "agent")
        answer = self.staff.post(f"/v1/conversations/{talk.id}/assign", {"agent_id": agent})
        if not self.refused(answer, self.against(talk, _NOT_CLOSED)):
            talk.assignee = agent
            self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data(), hours=st.sampled_from([-1, 1, 24, 24 * 400]))
    def snooze(self, data: st.DataObject, hours: int) -> None:
        talk = self.talk(data)
        until = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        refusals = self.against(talk, _UNRESOLVED) | ({"validation-error"} if hours < 0 else set())
        answer = self.staff.post(f"/v1/conversations/{talk.id}/snooze", {"until": until})
        if not self.refused(answer, refusals):
            talk.status = "snoozed"
            self.touched.add(talk.id)

    @some_are(lambda one: one.status == "snoozed")
    @rule(how_many=st.integers(1, 2))
    def wake(self, how_many: int) -> None:
        due = [talk for talk in self.talks.values() if talk.status == "snoozed"][:how_many]
        for talk in due:
            type(self).sql(
                "UPDATE conversations SET snoozed_until = now() - interval '1 s' WHERE id = %s",
                talk.id,
            )
            talk.status = "open"
            talk.unrecorded += 1
            self.touched.add(talk.id)
        assert ConversationLifecycle.as_system(type(self).database).wake_due() == len(due)

    @somebody_talks
    @rule(
        data=st.data(),
        message=st.none() | st.sampled_from([None, None, "e1", "e4"]).map(lambda key: (key,)),
        with_task=st.booleans(),
    )
    def resolve(
        self, data: st.DataObject, message: tuple[str | None] | None, with_task: bool
    ) -> None:
        talk, known = self.talk(data), None
        body: dict[str, Any] = {}
        refusals = self.against(talk, _UNRESOLVED)
        if message is not None:
            body["message"] = {"body": "b", "external_id": message[0]}
            known = self.delivered.get((talk.channel, message[0] or ""))
            if known is not None:
                refusals |= self.against_repeating(known, talk.customer, "outbound")
        task = self._about(data, talk) if with_task and self.work else None
        if task is not None:
            token = task.token or str(uuid4())
            body["complete_task"] = {"id": task.id, "lease_token": token, "output": {"by": "us"}}
            refusals |= self.against_completing(talk, task)
        answer = self.staff.post(f"/v1/conversations/{talk.id}/resolve", body)
        if self.refused(answer, refusals):
            return
        if message is not None and known is None:
            told = self.staff.get(f"/v1/conversations/{talk.id}/messages?sort=-seq&limit=1")
            self._said(talk, told.json["items"][0]["id"], "outbound", message[0])
        if task is not None:
            self._completed(task, {"by": "us"})
        talk.status, talk.long_resolved = "resolved", False
        talk.resolved_at = self.written
        self.touched.add(talk.id)

    def _about(self, data: st.DataObject, talk: Talk) -> Work:
        """A running one about the conversation, if there is any."""
        about = [t for t in self.work.values() if t.conversation == talk.id and t.token]
        task: Work = self.pick(data, about, "task") if about else self.task(data, "running")
        return task

    def against_completing(self, talk: Talk, task: Work) -> set[str]:
        if task.deleted or task.conversation != talk.id:
            return {"validation-error"}
        if task.token is None:
            return {"lease-lost"}
        return {"open-subtasks"} if any(child.open for child in self.children(task)) else set()

    @some_are(lambda one: one.status == "resolved")
    @rule(data=st.data())
    def let_a_week_pass(self, data: st.DataObject) -> None:
        resolved = [talk for talk in self.talks.values() if talk.status == "resolved"]
        talk = self.pick(data, resolved, "conversation")
        type(self).sql(
            "UPDATE conversations SET status_changed_at = status_changed_at - interval '8 days'"
            " WHERE id = %s",
            talk.id,
        )
        talk.long_resolved = True
        talk.unrecorded += 1
        self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        talk = self.talk(data)
        answer = self.staff.post(f"/v1/conversations/{talk.id}/reopen")
        if not self.refused(answer, self.against(talk, {"pending", "snoozed", "resolved"})):
            talk.status = "open"
            self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        talk = self.talk(data)
        answer = self.staff.post(f"/v1/conversations/{talk.id}/close")
        if not self.refused(answer, self.against(talk, _NOT_CLOSED)):
            talk.status = "closed"
            self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        source, target = self.talk(data), self.talk(data)
        refusals = self.against(source, _NOT_CLOSED) | self.against(target, _NOT_CLOSED)
        refusals |= {"conversation-merged"} if source.merged or target.merged else set()
        refusals |= {"merge-into-itself"} if source is target else set()
        refusals |= {"customer-mismatch"} if source.customer != target.customer else set()
        answer = self.staff.post(f"/v1/conversations/{source.id}/merge", {"into": target.id})
        if self.refused(answer, refusals):
            return
        assert answer.json["id"] == target.id
        ranks = ["open", "snoozed", "pending", "resolved"]
        soonest = min(source.status, target.status, key=ranks.index)
        target.status = "open" if self.is_unanswered(source) else soonest
        target.messages += source.messages
        source.messages, source.status, source.merged = [], "closed", target.id
        self.touched |= {source.id, target.id}
        for talk in self.talks.values():
            if talk.merged == source.id:
                talk.merged = target.id
                self.touched.add(talk.id)
        for task in self.work.values():
            if task.conversation == source.id and not task.deleted:
                task.conversation = target.id
                self.touched.add(task.id)

    # After every step

    @invariant()
    def agree(self) -> None:
        type(self).steps += 1
        now = self.shown("tasks", self.work) | self.shown("conversations", self.talks)
        changed = {key for key, was in self.before.items() if now[key] != was}
        assert changed <= self.touched, [(self.before[k], now[k]) for k in changed - self.touched]
        self.before = now
        for key in sorted(self.touched):
            if key in self.talks:
                self.agree_on_messages(self.talks[key])
            elif not self.work[key].deleted:
                self.agree_on_attempts(self.work[key])
        self.touched.clear()
        unrecorded = {t.id: t.unrecorded for t in self.talks.values() if t.unrecorded}
        for table in ("tasks", "conversations"):
            rows = type(self).sql(
                f"SELECT id::text, version - (SELECT count(*) FROM events WHERE object_id = x.id)"
                f" FROM {table} AS x"
            )
            assert all(extra == unrecorded.get(key, 0) for key, extra in rows), rows

    def shown(self, resource: str, model: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        path = f"/v1/{resource}?include_deleted=true&limit=100"
        cursor = ""
        while True:
            page = self.admin.get(path + cursor).json
            found |= {item["id"]: item for item in page["items"]}
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found.keys() == model.keys()
        for key, item in found.items():
            expected = model[key].shown()
            told = {
                name: item[name] is not None if isinstance(value, bool) else item[name]
                for name, value in expected.items()
            }
            told |= {n: item[n] for n in ("cancel_requested",) if n in expected}
            assert told == expected, item
        return found

    def agree_on_attempts(self, task: Work) -> None:
        items = self.staff.get(f"/v1/tasks/{task.id}/attempts?limit=100").json["items"]
        told = [(item["number"], item["agent_id"], item["outcome"]) for item in items]
        assert told == [(n, *attempt) for n, attempt in enumerate(task.attempts, 1)]

    def agree_on_messages(self, talk: Talk) -> None:
        items = self.staff.get(f"/v1/conversations/{talk.id}/messages?limit=100").json["items"]
        names = ("id", "seq", "direction", "external_id", "original_conversation_id")
        assert [tuple(item[name] for name in names) for item in items] == talk.numbered()


def test_the_desk_does_what_its_documentation_says(
    database: Database,
    empty: Callable[[], None],
    sql: Callable[..., list[tuple[Any, ...]]],
    sign_in: Callable[..., Client],
    hire: Callable[..., Client],
) -> None:
    """Statuses, refusals, attempts, message numbers and events, after each of random steps."""

    class Machine(Desk):
        pass

    Machine.empty, Machine.sql = staticmethod(empty), staticmethod(sql)
    Machine.sign_in, Machine.hire = staticmethod(sign_in), staticmethod(hire)
    Machine.database = database
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.steps > 200
