"""What the rules of the desk share: both sides, the choices, and the comparison of the two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

from app.db import Database
from tests.client import Answer, Client, problem
from tests.desk_machine.model import STATUS, Talk, Work


class DeskState(RuleBasedStateMachine):
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
        assert code == STATUS.get(name, 409)
        return True

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
            reported = {
                name: item[name] is not None if isinstance(value, bool) else item[name]
                for name, value in expected.items()
            }
            reported |= {n: item[n] for n in ("cancel_requested",) if n in expected}
            assert reported == expected, item
        return found

    def agree_on_attempts(self, task: Work) -> None:
        items = self.staff.get(f"/v1/tasks/{task.id}/attempts?limit=100").json["items"]
        reported = [(item["number"], item["agent_id"], item["outcome"]) for item in items]
        assert reported == [(n, *attempt) for n, attempt in enumerate(task.attempts, 1)]

    def agree_on_messages(self, talk: Talk) -> None:
        items = self.staff.get(f"/v1/conversations/{talk.id}/messages?limit=100").json["items"]
        names = ("id", "seq", "direction", "external_id", "original_conversation_id")
        assert [tuple(item[name] for name in names) for item in items] == talk.numbered()
