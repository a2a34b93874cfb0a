"""Rules of the desk: conversations and their messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from app.services import ConversationLifecycle
from tests.desk_machine.model import (
    MOST_OPEN,
    NOT_CLOSED,
    UNRESOLVED,
    Talk,
    Work,
    some_are,
    somebody_talks,
)
from tests.desk_machine.queue import QueueRules


class ConversationRules(QueueRules):
    def locate(self, message: str) -> Talk:
        return next(t for t in self.talks.values() if message in [m[0] for m in t.messages])

    @precondition(lambda desk: sum(t.status != "closed" for t in desk.talks.values()) < MOST_OPEN)
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
        elif not self.refused(answer, self.against(talk, NOT_CLOSED), 201):
            self._said(talk, answer.json["id"], direction, external_id)
            if direction == "inbound" and not (talk.status == "resolved" and talk.long_resolved):
                talk.status = "open"
            if direction == "outbound" and talk.status in UNRESOLVED:
                talk.status = "pending"

    @somebody_talks
    @rule(data=st.data())
    def assign(self, data: st.DataObject) -> None:
        talk = self.talk(data)
        agent = self.pick(data, [None, *self.agents], "agent")
        answer = self.staff.post(f"/v1/conversations/{talk.id}/assign", {"agent_id": agent})
        if not self.refused(answer, self.against(talk, NOT_CLOSED)):
            talk.assignee = agent
            self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data(), hours=st.sampled_from([-1, 1, 24, 24 * 400]))
    def snooze(self, data: st.DataObject, hours: int) -> None:
        talk = self.talk(data)
        until = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        refusals = self.against(talk, UNRESOLVED) | ({"validation-error"} if hours < 0 else set())
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
        refusals = self.against(talk, UNRESOLVED)
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
        if not self.refused(answer, self.against(talk, NOT_CLOSED)):
            talk.status = "closed"
            self.touched.add(talk.id)

    @somebody_talks
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        source, target = self.talk(data), self.talk(data)
        refusals = self.against(source, NOT_CLOSED) | self.against(target, NOT_CLOSED)
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
