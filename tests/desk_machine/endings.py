"""Rules of the desk: conversations that are resolved, re-opened, closed and merged."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)

from tests.desk_machine.conversations import ConversationRules
from tests.desk_machine.model import NOT_CLOSED, UNRESOLVED, Talk, Work, some_are, somebody_talks


class EndingRules(ConversationRules):
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
            reported = self.staff.get(f"/v1/conversations/{talk.id}/messages?sort=-seq&limit=1")
            self._said(talk, reported.json["items"][0]["id"], "outbound", message[0])
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
