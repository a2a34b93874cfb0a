"""Rules of the desk: tasks that are claimed, ended, cancelled and lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from app.services import TaskQueueService
from tests.client import Answer
from tests.desk_machine.model import OPEN, Work, some_are, there_is
from tests.desk_machine.tasks import TaskRules


class QueueRules(TaskRules):
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
            reported = answer.json
            assert reported["cancel_requested"] == task.cancel
            assert (reported["lease_expires_at"] is not None) == task.leased
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
            reported = self.staff.patch(f"/v1/tasks/{task.id}", {"run_after": later})
            self.refused(reported, set())
            task.since, task.delayed = datetime.fromisoformat(reported.json["run_after"]), True

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

    @there_is(*OPEN)
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

    @there_is(*OPEN)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.task(data, *OPEN)
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
            reported = self.staff.get(f"/v1/tasks/{task.id}").json
            task.since = datetime.fromisoformat(reported["run_after"])
            self.touched.add(task.id)
