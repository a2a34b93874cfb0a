"""Rules of the desk: conversations that are opened, written in, assigned and snoozed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

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
            reported = self.staff.get(f"/v1/conversations/{talk.id}/messages").json["items"]
            self._said(talk, reported[0]["id"], "inbound", external_id)

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
